import test from 'ava'
import { fuzzFrames } from './frames.js'

test('a thousand changed transmissions: no byte that nobody sent, and complete only where all came', async (t) => {
  await fuzzFrames(1000, 20_000)
  t.pass()
})
