import type { ByteSource } from '../../byte-source.js'
import type { Report } from '../finding.js'
import { readAround } from '../read-around.js'
import { decodeUsnRecord, JOURNAL_PAGE, RECORD_ALIGNMENT, type UsnRecord } from './record.js'

const BLOCK = 1 << 20

export interface JournalReading {
  /** Offset of the first byte that is allocated: before it lies a hole, often of terabytes. */
  readonly first: bigint
  readonly report: Report
  /** From the last record to the first. */
  readonly newestFirst?: boolean
}

/**
 * The records of $UsnJrnl:$J, a batch for each MiB that holds any. What is damaged is passed over and reported; reading
 * goes on with the next record whose USN is its place.
 */
export async function* readUsnJournal(
  journal: ByteSource,
  { first, report, newestFirst = false }: JournalReading,
): AsyncGenerator<UsnRecord[]> {
  const start = first < 0n ? 0n : first - (first % BigInt(JOURNAL_PAGE))
  if (start >= journal.size) return
  const blocks = (journal.size - start + BigInt(BLOCK) - 1n) / BigInt(BLOCK)
  const damage = damageReport(report)
  for (let index = 0n; index < blocks; index++) {
    const base = start + BigInt(BLOCK) * (newestFirst ? blocks - 1n - index : index)
    const bytes = await readAround(journal, base, BLOCK, damage.at)
    const records = decodeBlock(bytes, base, damage)
    damage.end()
    if (newestFirst) records.reverse()
    if (records.length > 0) yield records
  }
}

interface Damage {
  /** Something is wrong at this offset: told once for all that follows up to `end`. */
  at(offset: bigint, why: string): void
  /** Records are sound from this offset on. */
  end(offset?: bigint): void
  readonly open: boolean
}

function damageReport(report: Report): Damage {
  let open: { offset: bigint; why: string } | undefined
  return {
    at(offset, why) {
      open ??= { offset, why }
    },
    end(offset) {
      if (!open) return
      const length = offset === undefined ? '' : ` (${offset - open.offset} bytes are passed over)`
      report({ message: `$UsnJrnl: no record but ${open.why}${length}`, offset: open.offset })
      open = undefined
    },
    get open() {
      return open !== undefined
    },
  }
}

function decodeBlock(bytes: Buffer, base: bigint, damage: Damage): UsnRecord[] {
  const records: UsnRecord[] = []
  for (let page = 0; page < bytes.length; page += JOURNAL_PAGE) {
    const end = Math.min(page + JOURNAL_PAGE, bytes.length)
    let at = page
    let damagedPage = false
    while (at + RECORD_ALIGNMENT <= end) {
      if (bytes.readUInt32LE(at) === 0) {
        // Zeros fill a page behind its last record; behind damage they may be part of it.
        if (!damagedPage) break
        at += RECORD_ALIGNMENT
        continue
      }
      const found = decodeUsnRecord(bytes, at, end, base)
      if (typeof found === 'string' || found.usn !== found.offset) {
        damage.at(base + BigInt(at), typeof found === 'string' ? found : `one of USN ${found.usn}`)
        damagedPage = true
        at += RECORD_ALIGNMENT
        continue
      }
      if (damage.open) damage.end(found.offset)
      damagedPage = false
      records.push(found)
      at += found.length
    }
  }
  return records
}
