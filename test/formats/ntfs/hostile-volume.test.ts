import test from 'ava'
import { fuzzNtfsVolumes } from '../../fuzz/ntfs-volumes.js'
import { image } from './images/image.js'

test('40 volumes with damaged metadata are read as far as they are sound', async (t) => {
  await t.notThrowsAsync(fuzzNtfsVolumes(await image('small'), 40, 1))
})
