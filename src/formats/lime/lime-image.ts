import { endOfRuns } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { headerReads } from '../header-reads.js'
import type { Image } from '../image/image.js'
import { type PlacedRun, placeRuns } from '../placed-runs.js'
import { endsRecords, LIME_RECORD, RECORD_HEADER_SIZE, rangeOf } from './record.js'
import { remarksOnRecords } from './record-remarks.js'

const PAGE = 4096
const MOST_RECORDS = 1 << 20

/**
 * An image as LiME writes it with `format=lime`: records back to back.
 * @throws {FormatError} where it does not begin with a record, or has more than 2^20
 */
export async function openLimeImage(source: ByteSource): Promise<Image> {
  const { records, incomplete, remarks } = await readRecords(source)
  const content = placeRuns(source, records)
  const { runs, missing } = content
  const [cut] = missing
  const last = endOfRuns(records)
  return {
    format: 'lime',
    variant: 'version 1',
    category: 'memory:physical',
    size: last,
    runs,
    holes: missing.map((run) => ({ ...run, content: 'unknown' })),
    unit: PAGE,
    facts: {},
    digests: [],
    checks: [],
    incomplete: cut ? `the file ends inside the record that holds 0x${cut.start.toString(16)}` : incomplete,
    remarks: [...remarks, ...remarksOnRecords(records)],
    companions: [],
    read: content.read,
    async close() {},
  }
}

interface Records {
  /** In the order of the file. */
  readonly records: PlacedRun[]
  readonly incomplete?: string
  readonly remarks: string[]
}

async function readRecords(source: ByteSource): Promise<Records> {
  const headers = headerReads(source)
  const records: PlacedRun[] = []
  let offset = 0n
  while (offset < source.size) {
    const place = `at 0x${offset.toString(16)}`
    const head = await headers.at(offset, RECORD_HEADER_SIZE)
    if (records.length > 0 && endsRecords(head)) {
      const rest = source.size - offset
      return { records, remarks: [`zeros ${place} end the records: ${rest} bytes are not read`] }
    }
    const range = rangeOf(head, LIME_RECORD)
    if (typeof range === 'string' && records.length === 0) throw new FormatError(range, offset)
    if (typeof range === 'string')
      return { records, incomplete: `${range} ${place}: what follows is not read`, remarks: [] }
    if (records.length === MOST_RECORDS) throw new FormatError(`more than ${MOST_RECORDS} records`, offset)
    offset += BigInt(RECORD_HEADER_SIZE)
    records.push({ ...range, offset })
    offset += range.length
  }
  return { records, remarks: [] }
}
