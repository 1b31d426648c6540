import test from 'ava'
import { injectFaults } from './suite.js'

test('two hundred faults in pipelines: no silent stump, nothing lost, no wrong status, nobody left', async (t) => {
  t.timeout(15 * 60_000)
  const { failures } = await injectFaults(200, 1_000_000, (line) => t.log(line))
  t.deepEqual(failures, [])
})
