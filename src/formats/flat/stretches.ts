import { asBuffer } from '../../codecs/views.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { decodeFlatRecord, HEADER_SIZE, RECORD_SIZE } from './records.js'

/** Records that follow one another in the container, and whose bytes follow one another in the file. */
export interface Stretch {
  /** Offset in the file. */
  readonly start: number
  /** Bytes of the file. */
  readonly length: number
  /** Where the first record begins in the container. */
  readonly at: number
  /** How many records: of one, the bytes lie together. */
  readonly records: number
}

export interface Stretches {
  /** In the container's order: where two overlap, the later one counts. */
  readonly stretches: Stretch[]
  /** Where the container ends without the record that ends it. */
  readonly cutAt: bigint | undefined
  /** Bytes behind the record that ends it. */
  readonly trailing: bigint
}

/** What a stretch of several records takes at most, their headers included: it is read as a whole. */
export const MOST_STRETCH = (1 << 20) + (1 << 16)
const MOST_STRETCHES = 2 ** 20
/** Records below this size are worth being read to see what follows them. */
const SMALL = 1 << 15
const WINDOW = 1 << 19
const GLANCE = 1 << 12

/**
 * Goes through all records of a container. QEMU writes 64 GiB as millions of them: they are kept by the mebibyte.
 * @throws {FormatError} at the record that claims what no file has
 */
export async function findStretches(source: ByteSource): Promise<Stretches> {
  const headerAt = windowOver(source)
  const size = Number(source.size)
  const stretches: Stretch[] = []
  let open: { start: number; length: number; at: number; records: number } | undefined
  let at = HEADER_SIZE
  let previous = 0
  for (;;) {
    const header = await headerAt(at, previous)
    if (!header) return { stretches, cutAt: BigInt(size), trailing: 0n }
    const record = decodeFlatRecord(header, 0)
    if (record === 'end') return { stretches, cutAt: undefined, trailing: BigInt(size - at - RECORD_SIZE) }
    const end = record.offset + record.size
    if (record.offset < 0n || record.size <= 0n || end > BigInt(Number.MAX_SAFE_INTEGER))
      throw new FormatError(`a record of ${record.size} bytes for offset ${record.offset}`, BigInt(at))
    const start = Number(record.offset)
    const claimed = Number(record.size)
    const length = Math.min(claimed, size - at - RECORD_SIZE)
    const next = at + RECORD_SIZE + length
    if (open && start === open.start + open.length && next - open.at <= MOST_STRETCH) {
      open.length += length
      open.records++
    } else if (length > 0) {
      if (stretches.length === MOST_STRETCHES)
        throw new FormatError(
          `more than ${MOST_STRETCHES} records that do not follow one another`,
          BigInt(at),
        )
      open = { start, length, at, records: 1 }
      stretches.push(open)
    }
    if (length < claimed) return { stretches, cutAt: BigInt(size), trailing: 0n }
    at = next
    previous = claimed
  }
}

/** Gives the bytes of a record's header: undefined where the container ends before. */
function windowOver(source: ByteSource) {
  const room = Buffer.allocUnsafe(WINDOW)
  let window: Buffer = room.subarray(0, 0)
  let start = 0
  return async (at: number, previous: number): Promise<Buffer | undefined> => {
    if (at + RECORD_SIZE > Number(source.size)) return undefined
    if (at < start || at + RECORD_SIZE > start + window.length) {
      const wanted = previous > 0 && previous < SMALL ? WINDOW : GLANCE
      window = asBuffer(await source.read(BigInt(at), wanted, room))
      start = at
      if (window.length < RECORD_SIZE) return undefined
    }
    return window.subarray(at - start, at - start + RECORD_SIZE)
  }
}
