import { fuzzNtfsRecords } from './ntfs-records.js'

const [count = '5000', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2)
console.log(`${count} records and run lists from seed ${seed}`)
await fuzzNtfsRecords(Number(count), Number(seed))
