import { image } from '../formats/ntfs/images/image.js'
import { fuzzVolume } from './aff4.js'
import { smallVolumes } from './aff4-volumes.js'
import { fuzzFrames } from './frames.js'
import { fuzzImageFixtures } from './image-fixtures.js'
import { fuzzNtfsRecords } from './ntfs-records.js'
import { fuzzNtfsVolumes } from './ntfs-volumes.js'

/** Processor time that one operation may take, in milliseconds. */
const MOST_TIME = 2000
/** Records from one volume to the next: it takes as much longer. */
const RECORDS_A_VOLUME = 50

const SUBJECTS: Record<string, (count: number, seed: number) => Promise<void>> = {
  async frames(count, seed) {
    console.log(`frames: ${count} transmissions`)
    await fuzzFrames(count, seed, MOST_TIME)
  },
  async aff4(count, seed) {
    for (const [name, volume] of await smallVolumes()) {
      console.log(`aff4: ${name}, ${count} times`)
      await fuzzVolume(name, volume, count, seed, MOST_TIME)
    }
  },
  async images(count, seed) {
    await fuzzImageFixtures(count, seed, MOST_TIME, (line) => console.log(line))
  },
  async ntfs(count, seed) {
    const volumes = Math.ceil(count / RECORDS_A_VOLUME)
    console.log(`ntfs: ${count} records and run lists, ${volumes} volumes of each kind`)
    await fuzzNtfsRecords(count, seed)
    for (const name of ['small', 'crowded'] as const)
      await fuzzNtfsVolumes(await image(name), volumes, seed, MOST_TIME)
  },
}

/** `npm run fuzz`, or `npm run fuzz -- SUBJECT [COUNT [SEED]]`: what is not given is everything, 5000, and the time. */
const [wanted, count = '5000', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2)
const subjects = wanted === undefined ? Object.keys(SUBJECTS) : [wanted]
console.log(`seed ${seed}`)
for (const name of subjects) {
  const fuzz = SUBJECTS[name]
  if (!fuzz) throw new Error(`${name}: not one of ${Object.keys(SUBJECTS).join(', ')}`)
  await fuzz(Number(count), Number(seed))
}
