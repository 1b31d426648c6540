import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { Run } from '../../../src/formats/address-space.js'
import { onHost } from '../guest/toolkit.js'
import { holdsWhatTheHypervisorSaw, leadsToTheKernel, readsTheSameWithOurReader } from './checks.js'
import { openFlatImage, PAGE } from './flat-image.js'
import { acquire, decodeMemory, type Lab, openLab, plantPattern, type Taken, witnessed } from './witness.js'

const BAD_PAGES = fileURLToPath(new URL('../../../../test/real/kcore/bad-pages.py', import.meta.url))
const PATTERN_PAGES = 16384
const MEMORY = 512
const BALLOONED = 32

let lab: Lab
let taken: Taken
test.before(async () => {
  lab = await openLab({ memory: MEMORY, slot: true, paging: 5 })
  await plantPattern(lab.guest, PATTERN_PAGES)
  const pipeline = 'pmem-read-kcore | pmem-hash sha256 | pmem-compress snappy'
  taken = await witnessed(lab, () => acquire(lab, pipeline, [0, 0, 0, 0]))
})
test.after.always(() => lab?.close())

test.serial('a volume taken from a running kernel holds what its hypervisor saw', (t) =>
  holdsWhatTheHypervisorSaw(t, lab, taken, PATTERN_PAGES),
)

test.serial('the page table root and the KASLR shift lead to the kernel through five levels of tables', (t) =>
  leadsToTheKernel(t, lab, taken, 5),
)

test.serial('the digest that pmem-hash computed on the way is that of the memory in the volume', (t) => {
  t.is(taken.decoded.facts.hash, taken.decoded.sha256)
})

test.serial('aff4-cat gives the bytes that another decoder gives', (t) =>
  readsTheSameWithOurReader(t, lab, taken),
)

test.serial('the files that explain the memory come with it', async (t) => {
  await lab.guest.ok('cat /proc/kallsyms >/run/share/kallsyms; cat /proc/version >/run/share/version')
  const script =
    'unzip -p "$0" proc/version | cmp - version && aff4-cat "$0" --stream /proc/kallsyms | raw-sink - | cmp - kallsyms'
  await t.notThrowsAsync(onHost(`cd "$1"; ${script}`, taken.volume, lab.guest.share))
})

test.serial('poisoned, offlined and ballooned pages are marked unreadable, not taken as zeros', async (t) => {
  const { guest, folder } = lab
  await guest.ok('rm /run/pattern')
  await guest.balloon(MEMORY - BALLOONED)
  await guest.plugModule()
  await copyFile(BAD_PAGES, join(guest.share, 'bad-pages.py'))
  const bad = JSON.parse(await guest.ok('/usr/bin/python3 /run/share/bad-pages.py')) as Record<string, Bad>
  const volume = await acquire(lab, 'pmem-read-kcore --no-collect | pmem-compress snappy', [2, 0, 2])
  await guest.dump(join(folder, 'spoiled'))

  const unreadable = (await decodeMemory(volume, join(folder, 'taken'))).runs.UnreadableData ?? []
  for (const [what, { address, size }] of Object.entries(bad)) t.true(covers(unreadable, address, size), what)
  const pages = unreadable.reduce((sum, { length }) => sum + length, 0n) / BigInt(PAGE)
  const expected = Object.values(bad).reduce((sum, { size }) => sum + size / PAGE, (BALLOONED << 20) / PAGE)
  t.is(pages, BigInt(expected), 'no other page is unreadable')

  // The pages are there for one who can look: a zero would have been a lie.
  const seen = openFlatImage(join(folder, 'spoiled'))
  for (const what of ['poisoned', 'soft-offlined']) {
    t.true(seen.read(BigInt(bad[what]!.address), PAGE).toString('latin1').startsWith(`${what} page`), what)
  }
})

interface Bad {
  readonly address: number
  readonly size: number
}

const covers = (runs: readonly Run[], address: number, size: number): boolean =>
  runs.some(({ start, length }) => start <= address && start + length >= address + size)
