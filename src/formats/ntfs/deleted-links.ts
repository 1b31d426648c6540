import { type DeletedLink, scanDeleted } from './deleted.js'
import { links } from './file-name.js'
import type { FileReference } from './file-reference.js'
import { findLost } from './lost.js'
import { matchParent, namesOf } from './parent-path.js'
import { isInUse, type MftRecord } from './record.js'
import type { NtfsVolume } from './volume.js'

/** Who hung below whom among the files that are no longer in use, and what hangs nowhere. Names are read again when asked for. */
export interface DeletedLinks {
  readonly count: number
  /** Those that hung in a directory, in use or deleted itself. */
  children(directory: MftRecord): AsyncGenerator<DeletedLink>
  /** Those whose directory has been given to another file, or is none. */
  orphans(): AsyncGenerator<DeletedLink>
  /** Files in use that no directory lists; those below them left out. Lists the whole volume when first asked. */
  lost(): AsyncGenerator<DeletedLink>
}

/** Numbers beyond are no record's: Windows has 32 bits for them. */
const MOST_RECORDS = 2 ** 32
const LOW = 0xffffffffn

/** Scans $MFT for all links of deleted files, and keeps 8 bytes of each. */
export async function readDeletedLinks(volume: NtfsVolume): Promise<DeletedLinks> {
  const pairs = await collectPairs(volume)

  let lost: Promise<readonly number[]> | undefined

  async function* linksOf(
    child: number,
    inUse: boolean,
    wanted: (parent: FileReference) => boolean = () => true,
  ): AsyncGenerator<DeletedLink> {
    const file = await volume.file(child).catch(() => undefined)
    if (!file || isInUse(file.base) !== inUse) return
    for (const fileName of links(namesOf(file)))
      if (wanted(fileName.parent)) yield { record: child, sequence: file.reference.sequence, fileName }
  }

  return {
    count: pairs.length,
    async *children(directory) {
      const isChild = (reference: FileReference) =>
        reference.record === directory.number && matchParent(directory, reference) !== undefined
      for (const child of childrenOf(pairs, directory.number)) yield* linksOf(child, false, isChild)
    },
    async *orphans() {
      for (let at = 0; at < pairs.length; ) {
        const parent = Number(pairs[at]! >> 32n)
        const record = await volume.record(parent).catch(() => undefined)
        const isOrphan = (reference: FileReference) =>
          reference.record === parent && !(record && matchParent(record, reference))
        for (const child of childrenOf(pairs, parent)) yield* linksOf(child, false, isOrphan)
        at = firstAt(pairs, BigInt(parent + 1) << 32n)
      }
    },
    async *lost() {
      lost ??= findLost(volume)
      for (const record of await lost) yield* linksOf(record, true)
    },
  }
}

/** Parent above, child below, ascending, each once. */
async function collectPairs(volume: NtfsVolume): Promise<BigUint64Array> {
  let pairs = new BigUint64Array(1024)
  let count = 0
  for await (const batch of scanDeleted(volume))
    for (const { record, fileName } of batch) {
      const parent = fileName.parent.record
      if (record >= MOST_RECORDS || parent >= MOST_RECORDS) continue
      if (count === pairs.length) {
        const larger = new BigUint64Array(2 * count)
        larger.set(pairs)
        pairs = larger
      }
      pairs[count++] = (BigInt(parent) << 32n) | BigInt(record)
    }
  const sorted = pairs.subarray(0, count).sort()
  let unique = 0
  for (const pair of sorted) if (unique === 0 || sorted[unique - 1] !== pair) sorted[unique++] = pair
  return sorted.subarray(0, unique)
}

function* childrenOf(pairs: BigUint64Array, parent: number): Generator<number> {
  const end = BigInt(parent + 1) << 32n
  for (let at = firstAt(pairs, BigInt(parent) << 32n); at < pairs.length && pairs[at]! < end; at++)
    yield Number(pairs[at]! & LOW)
}

/** Where the first pair that is not below `least` stands. */
function firstAt(pairs: BigUint64Array, least: bigint): number {
  let from = 0
  let to = pairs.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (pairs[middle]! < least) from = middle + 1
    else to = middle
  }
  return from
}
