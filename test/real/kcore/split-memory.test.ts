import test from 'ava'
import { holdsWhatTheHypervisorSaw, leadsToTheKernel, readsTheSameWithOurReader } from './checks.js'
import { acquire, type Lab, openLab, plantPattern, type Taken, witnessed } from './witness.js'

const PATTERN_PAGES = 16384
const GIB = 1n << 30n

let lab: Lab
let taken: Taken
test.before(async () => {
  lab = await openLab({ memory: 512, machine: 'max-ram-below-4g=128M' })
  await plantPattern(lab.guest, PATTERN_PAGES)
  const pipeline = 'pmem-read-kcore --no-collect | pmem-compress snappy'
  taken = await witnessed(lab, () => acquire(lab, pipeline, [0, 0, 0]))
})
test.after.always(() => lab?.close())

test.serial('RAM below and above 4 GiB is taken', async (t) => {
  const starts = taken.decoded.runs.data!.map(({ start }) => start)
  t.true(starts.some((start) => start < 4n * GIB))
  t.true(starts.some((start) => start >= 4n * GIB))
  await holdsWhatTheHypervisorSaw(t, lab, taken, PATTERN_PAGES)
})

test.serial('the kernel is found where it lies in split memory', (t) => leadsToTheKernel(t, lab, taken, 5))

test.serial('aff4-cat gives the bytes of both sides', (t) => readsTheSameWithOurReader(t, lab, taken))
