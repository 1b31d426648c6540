import test from 'ava'
import { fuzzNtfsRecords } from '../../fuzz/ntfs-records.js'

test('5,000 damaged records and run lists are read as far as they are sound, or refused', async (t) => {
  await t.notThrowsAsync(fuzzNtfsRecords(5000, 1))
})
