import { endOfRuns, type Run, subtractRuns } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import type { Hole, Image } from '../image/image.js'
import { remarksOnRecords } from '../lime/record-remarks.js'
import { placeRuns } from '../placed-runs.js'
import { recordContent } from './record-content.js'
import { type AvmlRecord, indexRecords } from './record-index.js'

const PAGE = 4096

/**
 * An image as AVML writes it with `--compress`: records of framed streams of snappy.
 * @throws {FormatError} where it does not begin with a record, or has more than 2^20
 */
export async function openAvmlImage(source: ByteSource): Promise<Image> {
  const { records, incomplete, remarks } = await indexRecords(source)
  const content = recordContent(source, records)
  const { runs, read } = placeRuns(
    { ...content, close: async () => {} },
    records.map(({ start, held }, index) => ({ start, length: held, offset: content.starts[index]! })),
  )
  return {
    format: 'avml',
    variant: 'version 2',
    category: 'memory:physical',
    size: endOfRuns(records),
    runs,
    holes: holesOf(records, runs),
    unit: PAGE,
    facts: {},
    digests: [],
    checks: ['CRC-32C of each chunk', 'size of each record'],
    incomplete,
    remarks: [...remarks, ...remarksOnRecords(records)],
    companions: [],
    read,
    verify: async () => [...content.findings],
    async close() {},
  }
}

/** What a record that is cut or damaged tells about without holding it. */
function holesOf(records: readonly AvmlRecord[], runs: readonly Run[]): Hole[] {
  const lost = records
    .map(({ start, length, held }) => ({ start: start + held, length: length - held }))
    .filter(({ length }) => length > 0n)
  return [...subtractRuns(lost, runs)].map((run) => ({ ...run, content: 'unknown' }))
}
