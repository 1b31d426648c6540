import { isDirectory, type NtfsFile } from './file.js'
import type { FileReference } from './file-reference.js'
import { hasInUseFlag, scanMft } from './mft-scan.js'
import { matchParent, namesOf } from './parent-path.js'
import { walkTree } from './tree.js'
import { type NtfsVolume, RECORD } from './volume.js'

/** Records whose sequence numbers are kept together, 2 bytes each. */
const PAGE = 4096

/** Files in use that no directory was seen to list. */
interface Unlisted {
  add(file: FileReference): void
  /** Told of an entry of a directory. */
  strike(entry: FileReference): void
  has(record: number): boolean
  records(): Generator<number>
}

function createUnlisted(): Unlisted {
  /** Sequence numbers; 0: none. */
  const pages = new Map<number, Uint16Array>()
  const pageOf = (record: number) => pages.get(Math.floor(record / PAGE))
  return {
    add({ record, sequence }) {
      let page = pageOf(record)
      if (!page) {
        page = new Uint16Array(PAGE)
        pages.set(Math.floor(record / PAGE), page)
      }
      page[record % PAGE] = sequence
    },
    strike({ record, sequence }) {
      const page = pageOf(record)
      if (page && (sequence === 0 || page[record % PAGE] === sequence)) page[record % PAGE] = 0
    },
    has: (record) => (pageOf(record)?.[record % PAGE] ?? 0) !== 0,
    *records() {
      for (const [number, page] of pages)
        for (const [at, sequence] of page.entries()) if (sequence !== 0) yield number * PAGE + at
    },
  }
}

/**
 * Files in use that cannot be reached from the root: their directory is no more, or has no entry of theirs. What is below
 * such a one is left out. Scans $MFT and lists the whole volume.
 * @returns numbers of records
 */
export async function findLost(volume: NtfsVolume): Promise<readonly number[]> {
  const unlisted = createUnlisted()
  for await (const batch of scanMft(volume, hasInUseFlag))
    for (const { number, sequence, base } of batch) if (!base) unlisted.add({ record: number, sequence })

  async function strikeTree(top: NtfsFile): Promise<void> {
    unlisted.strike(top.reference)
    if (!isDirectory(top)) return
    for await (const { entries } of walkTree(volume, top)) entries.forEach(unlisted.strike)
  }
  try {
    await strikeTree(await volume.file(RECORD.ROOT))
  } catch (error) {
    volume.report({ message: `the root: ${(error as Error).message}`, record: RECORD.ROOT })
  }

  /** Whether one of its directories is lost itself. */
  async function hangsLost(file: NtfsFile): Promise<boolean> {
    for (const { parent } of namesOf(file)) {
      if (!unlisted.has(parent.record)) continue
      const record = await volume.record(parent.record).catch(() => undefined)
      if (record && matchParent(record, parent) === 'live') return true
    }
    return false
  }

  const lost: number[] = []
  // Directories first: they may list the others. Of those only what hangs in a circle is left to the second time.
  for (const isTop of [
    async (file: NtfsFile) => isDirectory(file) && !(await hangsLost(file)),
    async (file: NtfsFile) => isDirectory(file),
    async () => true,
  ])
    for (const record of unlisted.records()) {
      const file = await volume.file(record).catch(() => undefined)
      if (!file || namesOf(file).length === 0 || !(await isTop(file))) continue
      lost.push(record)
      await strikeTree(file)
    }
  return lost
}
