import { image } from '../formats/ntfs/images/image.js'
import { fuzzNtfsRecords } from './ntfs-records.js'
import { fuzzNtfsVolumes } from './ntfs-volumes.js'

const MOST_TIME = 2000
const IMAGES = ['small', 'crowded'] as const

const [count = '5000', seed = String(Date.now() % 2 ** 31), volumes = '100'] = process.argv.slice(2)
console.log(`${count} records and run lists, ${volumes} volumes of each kind, from seed ${seed}`)
await fuzzNtfsRecords(Number(count), Number(seed))
for (const name of IMAGES) await fuzzNtfsVolumes(await image(name), Number(volumes), Number(seed), MOST_TIME)
