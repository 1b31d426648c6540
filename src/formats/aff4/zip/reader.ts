import { constants, crc32, inflateRawSync } from 'node:zlib'
import { asBuffer } from '../../../codecs/views.js'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { FormatError } from '../../format-error.js'
import type { Container, Member } from '../container.js'
import { decodeEntry, ENTRY_SIZE } from './central-directory.js'
import {
  decodeEnd,
  decodeLocator,
  decodeZip64End,
  END,
  END_SIZE,
  type EndOfDirectory,
  LOCATOR_SIZE,
  MAX_COMMENT,
  ZIP64_END_SIZE,
} from './end-records.js'
import { inflatingSource } from './inflating-source.js'
import { DEFLATED, LOCAL_HEADER_SIZE, localHeaderLength, STORED } from './local-header.js'

/** Bytes of the directory read at a time; longer than any entry can be. */
const WINDOW = 1 << 20
/** Each member costs memory here: a bound for what a hostile directory can ask for. */
export const MOST_MEMBERS = 1 << 22
/** What is larger is inflated as it is read, not held in memory. */
const LARGEST_HELD = 8n << 20n

export type { Member }

/**
 * Opens a ZIP file as what holds the members of a volume.
 * @throws {FormatError} as `readDirectory` does
 */
export async function openZip(source: ByteSource): Promise<Container> {
  const { members, comment } = await readDirectory(source)
  return {
    name: source.name,
    members,
    comment,
    open: (member) => openMember(source, member),
    read: (member, limit) => readMember(source, member, limit),
  }
}

export interface Directory {
  /** By name; where a name stands twice the last one counts. */
  readonly members: ReadonlyMap<string, Member>
  readonly comment: string
  /** Where it stands in the file, and how long it is. */
  readonly start: bigint
  readonly size: bigint
  /** Where the end record behind it ends. */
  readonly end: bigint
  /** How many bytes stand before the ZIP file, where its offsets don't count them. */
  readonly shift: bigint
}

/**
 * Reads the central directory from the end of the file. Bytes before the ZIP file are skipped.
 * @throws {FormatError} with the offset when there is none or it contradicts the file
 */
export async function readDirectory(source: ByteSource): Promise<Directory> {
  const tailLength = clipLength(MAX_COMMENT + END_SIZE + LOCATOR_SIZE + ZIP64_END_SIZE, source.size)
  const tailStart = source.size - BigInt(tailLength)
  const tail = asBuffer(await readExactly(source, tailStart, tailLength))
  const plainAt = findEnd(tail)
  if (plainAt === undefined)
    throw new FormatError(
      'zip: no end of central directory: the file is cut, or no volume',
      source.size,
      'aff4-recover keeps what is whole of a volume that was cut',
    )

  const plain = decodeEnd(tail.subarray(plainAt))
  const comment = tail.toString('utf8', plainAt + END_SIZE, plainAt + END_SIZE + plain.commentLength)
  let end: EndOfDirectory = plain
  let directoryEnd = tailStart + BigInt(plainAt)
  const located =
    plainAt < LOCATOR_SIZE ? undefined : decodeLocator(tail.subarray(plainAt - LOCATOR_SIZE, plainAt))
  if (located !== undefined) {
    const record = await findZip64End(source, tailStart + BigInt(plainAt - LOCATOR_SIZE), located)
    end = record.end
    directoryEnd = record.at
  }
  const start = directoryEnd - end.directorySize
  const shift = start - end.directoryOffset
  if (shift < 0n)
    throw new FormatError('zip: the central directory reaches past its end record', directoryEnd)
  if (end.entries * BigInt(ENTRY_SIZE) > end.directorySize)
    throw new FormatError(`zip: no room for ${end.entries} directory entries`, start)
  if (end.entries > MOST_MEMBERS) throw new FormatError(`zip: ${end.entries} members are too many`, start)
  const members = await readEntries(source, start, Number(end.entries), directoryEnd, shift)
  return {
    members,
    comment,
    start,
    size: end.directorySize,
    end: tailStart + BigInt(plainAt + END_SIZE + plain.commentLength),
    shift,
  }
}

async function readEntries(
  source: ByteSource,
  start: bigint,
  count: number,
  end: bigint,
  shift: bigint,
): Promise<Map<string, Member>> {
  const members = new Map<string, Member>()
  let window: Bytes = new Uint8Array(0)
  let windowStart = start
  let at = start
  for (let index = 0; index < count; index++) {
    let next = decodeEntry(window.subarray(Number(at - windowStart)), at)
    if (!next) {
      windowStart = at
      window = await readExactly(source, at, clipLength(WINDOW, end - at))
      next = decodeEntry(window, at)
    }
    if (!next) throw new FormatError(`zip: directory entry ${index} is cut`, at)
    const member = { ...next.entry, headerOffset: next.entry.headerOffset + shift }
    if (member.headerOffset + BigInt(LOCAL_HEADER_SIZE) + member.compressedSize > start)
      throw new FormatError(`zip: ${member.name} reaches into the central directory`, at)
    if (member.method === STORED && member.size !== member.compressedSize)
      throw new FormatError(`zip: ${member.name} is stored, but in another size`, at)
    // Replaced in place, a name would keep the rank of its first occurrence.
    members.delete(member.name)
    members.set(member.name, member)
    at += BigInt(next.length)
  }
  refuseOverlaps([...members.values()])
  return members
}

/** Members that share bytes are no volume: a few bytes could pass for any amount of evidence. */
function refuseOverlaps(members: readonly Member[]): void {
  const offsets = BigUint64Array.from(members, ({ headerOffset }) => headerOffset)
  const order = Uint32Array.from(offsets.keys()).sort((a, b) =>
    offsets[a]! < offsets[b]! ? -1 : offsets[a]! > offsets[b]! ? 1 : a - b,
  )
  for (let rank = 1; rank < order.length; rank++) {
    const before = members[order[rank - 1]!]!
    const member = members[order[rank]!]!
    const end = before.headerOffset + BigInt(LOCAL_HEADER_SIZE) + before.compressedSize
    if (member.headerOffset < end)
      throw new FormatError(`zip: ${member.name} overlaps ${before.name}`, member.headerOffset)
  }
}

/** The last record whose comment ends with the file, or, behind trailing bytes, the last one at all. */
export function findEnd(tail: Buffer): number | undefined {
  let fallback: number | undefined
  for (let at = tail.length - END_SIZE; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END) continue
    const end = at + END_SIZE + tail.readUInt16LE(at + 20)
    if (end === tail.length) return at
    if (end < tail.length) fallback ??= at
  }
  return fallback
}

async function findZip64End(
  source: ByteSource,
  locatorAt: bigint,
  located: bigint,
): Promise<{ end: EndOfDirectory; at: bigint }> {
  for (const at of [locatorAt - BigInt(ZIP64_END_SIZE), located]) {
    if (at < 0n || at + BigInt(ZIP64_END_SIZE) > locatorAt) continue
    const end = decodeZip64End(asBuffer(await readExactly(source, at, ZIP64_END_SIZE)))
    if (end) return { end, at }
  }
  throw new FormatError('zip: no zip64 end of central directory where its locator points', locatorAt)
}

/**
 * The content of a member as a source. What is stored is read in place, what is deflated is held in memory where it is small.
 * @throws {FormatError} when the local header is missing, or the content is deflated and damaged
 */
export async function openMember(source: ByteSource, member: Member): Promise<ByteSource> {
  const header = await readExactly(source, member.headerOffset, LOCAL_HEADER_SIZE)
  const start = member.headerOffset + BigInt(localHeaderLength(header, member.headerOffset))
  const name = `${source.name}: ${member.name}`
  if (start + member.compressedSize > source.size)
    throw new FormatError(`zip: ${member.name} is cut`, member.headerOffset)
  if (member.method === STORED)
    return {
      name,
      size: member.size,
      ...(source.place && { place: { fd: source.place.fd, offset: source.place.offset + start } }),
      async read(offset, length, into) {
        const left = member.size > offset ? member.size - offset : 0n
        return readExactly(source, start + offset, clipLength(length, left), into)
      },
      async close() {},
    }
  if (member.method !== DEFLATED)
    throw new FormatError(`zip: ${member.name}: method ${member.method} is not known`, member.headerOffset)
  if (member.size > LARGEST_HELD || member.compressedSize > LARGEST_HELD)
    return inflatingSource({
      ...member,
      at: member.headerOffset,
      stored: (offset, length) => readExactly(source, start + offset, length),
    })
  const bytes = await inflate(source, member, start)
  return {
    name,
    size: member.size,
    async read(offset, length) {
      if (offset >= member.size) return bytes.subarray(bytes.length)
      return bytes.subarray(Number(offset), Number(offset) + length)
    },
    async close() {},
  }
}

async function inflate(source: ByteSource, member: Member, start: bigint): Promise<Bytes> {
  const refuse = (why: string) => new FormatError(`zip: ${member.name}: ${why}`, member.headerOffset)
  const stored = await readExactly(source, start, Number(member.compressedSize))
  let bytes: Bytes
  try {
    bytes = inflateRawSync(stored, {
      finishFlush: constants.Z_FINISH,
      maxOutputLength: Math.max(1, Number(member.size)),
    })
  } catch (error) {
    throw refuse((error as Error).message)
  }
  if (BigInt(bytes.length) !== member.size)
    throw refuse(`inflates to ${bytes.length} bytes, not ${member.size}`)
  if (crc32(bytes) !== member.crc) throw refuse('CRC does not match')
  return bytes
}

/**
 * The whole content of a member, checked against its CRC.
 * @param limit a larger one is refused before anything is allocated
 * @throws {FormatError} when it is larger, damaged or cut
 */
export async function readMember(source: ByteSource, member: Member, limit: bigint): Promise<Bytes> {
  if (member.size > limit)
    throw new FormatError(`zip: ${member.name}: ${member.size} bytes are too many`, member.headerOffset)
  const content = await openMember(source, member)
  const bytes = await content.read(0n, Number(member.size))
  await content.close()
  if (member.method === STORED && crc32(bytes) !== member.crc)
    throw new FormatError(`zip: ${member.name}: CRC does not match`, member.headerOffset)
  return bytes
}

/**
 * Reads exactly `length` bytes.
 * @throws {FormatError} at the offset where the source ends before
 */
export async function readExactly(
  source: ByteSource,
  offset: bigint,
  length: number,
  into?: Bytes,
): Promise<Bytes> {
  const bytes = length === 0 ? new Uint8Array(0) : await source.read(offset, length, into)
  if (bytes.length < length)
    throw new FormatError(`${source.name}: cut: ${length} bytes expected`, offset + BigInt(bytes.length))
  return bytes
}
