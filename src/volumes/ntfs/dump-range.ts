import { EXIT, ToolError } from '../../cli/exit.js'
import type { Run } from '../../formats/address-space.js'
import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import { findAttribute, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import { NtfsError } from '../../formats/ntfs/finding.js'
import { undoFixups } from '../../formats/ntfs/fixups.js'
import { HEADER_SIZE } from '../../formats/ntfs/record.js'
import type { Piece } from '../../formats/ntfs/stream.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

/** Attributes that a hint lists. */
const MOST_LISTED = 10

/**
 * The unnamed $DATA of a file.
 * @throws {NtfsError} when it has none, naming what it has
 */
export function defaultAttribute(file: NtfsFile): FileAttribute {
  const found = findAttribute(file, ATTRIBUTE.DATA)
  if (found) return found
  const { record } = file.reference
  const listed = file.attributes
    .slice(0, MOST_LISTED)
    .map(({ type, name }) => `${record}:${type}${name && `:${name}`}`)
  const more = file.attributes.length > MOST_LISTED ? ' …' : ''
  throw new NtfsError(
    `record ${record} has no unnamed $DATA`,
    undefined,
    listed.length === 0 ? undefined : `it has ${listed.join(', ')}${more}`,
  )
}

/** What of an attribute is wanted, as its bytes stand in the stream. */
export function attributePieces(
  volume: NtfsVolume,
  attribute: FileAttribute,
  range: Run | undefined,
): AsyncGenerator<Piece> {
  const stream = volume.stream(attribute)
  const { start, end } = clip(range, stream.size, stream.name)
  return stream.pieces(start, end)
}

/**
 * What lies behind the end of an attribute in its clusters, as it is there, compressed or not. What stands in a record
 * has none of its own.
 */
export function slackPieces(volume: NtfsVolume, attribute: FileAttribute): AsyncGenerator<Piece> {
  const { data, allocated } = attribute.sizes
  const sizes = { ...attribute.sizes, data: allocated, initialised: allocated }
  return volume.stream({ ...attribute, sizes, compressionUnit: 0 }).pieces(data, allocated)
}

/** How a record is shown. */
export interface RecordView {
  /** Whether its fixups are undone. */
  readonly fixed: boolean
  /** Only what lies behind its bytes in use. */
  readonly slack: boolean
  readonly range: Run | undefined
  /** Told of what is odd about it. */
  warn(message: string): void
}

/**
 * A record, damaged or not.
 * @throws {NtfsError} when there is none of that number, it cannot be read, or its fixups cannot be undone
 */
export async function recordBytes(
  volume: NtfsVolume,
  number: number,
  { fixed, slack, range, warn }: RecordView,
): Promise<{ readonly pieces: AsyncGenerator<Piece>; readonly torn: boolean }> {
  const bytes = await volume.rawRecord(number)
  let torn = false
  if (fixed) {
    const fixups = undoFixups(bytes, HEADER_SIZE)
    if (!fixups)
      throw new NtfsError(
        `record ${number} has fixups where none can be`,
        4n,
        '--record shows it as it is on disk',
      )
    torn = fixups.torn.length > 0
    if (torn) warn(`record ${number}: its sectors ${fixups.torn.join(', ')} are torn`)
    for (const complaint of fixups.complaints) warn(`record ${number}: ${complaint}`)
  }
  const size = BigInt(bytes.length)
  const used = BigInt(Math.min(bytes.readUInt32LE(24), bytes.length))
  const { start, end } = slack ? { start: used, end: size } : clip(range, size, `record ${number}`)
  return { pieces: bytesPiece(bytes, start, end), torn }
}

async function* bytesPiece(bytes: Buffer, start: bigint, end: bigint): AsyncGenerator<Piece> {
  if (start < end) yield { kind: 'bytes', offset: start, bytes: bytes.subarray(Number(start), Number(end)) }
}

function clip(range: Run | undefined, size: bigint, name: string): { start: bigint; end: bigint } {
  if (!range) return { start: 0n, end: size }
  const { start, length } = range
  if (start >= size) throw new ToolError(EXIT.data, `${name}: the range begins behind its end, at ${size}`)
  return { start, end: start + length < size ? start + length : size }
}
