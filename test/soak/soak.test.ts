import test from 'ava'
import { soak } from './soak.js'

test('two gibibytes through hash, compression, aff4-sink and aff4-verify: memory is small and stays so', async (t) => {
  const { complaints } = await soak('2G')
  t.deepEqual(complaints, [])
})
