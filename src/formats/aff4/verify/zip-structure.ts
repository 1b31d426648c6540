import { asBuffer } from '../../../codecs/views.js'
import { byStart } from '../../address-space.js'
import type { ByteSource } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { FormatError } from '../../format-error.js'
import { type DirectoryEntry, decodeEntry, ENTRY_SIZE } from '../zip/central-directory.js'
import {
  decodeEnd,
  decodeLocator,
  decodeZip64End,
  END_SIZE,
  type EndOfDirectory,
  LOCATOR_SIZE,
  MAX_COMMENT,
  ZIP64_END_SIZE,
} from '../zip/end-records.js'
import { DEFLATED, LOCAL_HEADER_SIZE, localHeaderLength, STORED } from '../zip/local-header.js'
import { findEnd, readExactly } from '../zip/reader.js'
import type { Report } from './finding.js'
import { describeGaps, type Span } from './zip-gaps.js'

/**
 * Data descriptor (APPNOTE 6.3.10 §4.3.9), behind the data of members whose header was written before them:
 *
 *      0  4  signature 50 4b 07 08      8  8  compressed size (or 4 bytes)
 *      4  4  CRC-32                    16  8  uncompressed size (or 4 bytes)
 */
const DESCRIPTOR = 0x08074b50
const LONG_DESCRIPTOR = 24
const SHORT_DESCRIPTOR = 16

/** Bits of the general purpose flags: what deflate was told, a descriptor follows, names are UTF-8. */
const FLAG_DESCRIPTOR = 1 << 3
const KNOWN_FLAGS = 0b110 | FLAG_DESCRIPTOR | (1 << 11)

/** Most local headers with their names and extra fields fit; what follows is read when needed. */
const HEADER_WINDOW = 512
const DIRECTORY_WINDOW = 1 << 20
const ALL_ONES = 0xffffffff

/** Where the data of a member stands. */
export interface Place {
  readonly entry: DirectoryEntry
  readonly dataStart: bigint
}

/** What is known of the container when its structure was checked. */
export interface Structure {
  /** By name; a member whose header is damaged has none. */
  readonly places: ReadonlyMap<string, Place>
  readonly comment: string
  /** Where it stands. */
  readonly commentStart: bigint
}

/**
 * Checks that the records of a ZIP file agree with one another, field by field: end records, directory, local
 * headers, descriptors; that members don't overlap; and tells of bytes that belong to none.
 * @returns undefined when there is no directory that could be followed
 */
export async function checkStructure(source: ByteSource, report: Report): Promise<Structure | undefined> {
  let sound = true
  const bad = (property: string, detail: string, offset: bigint) => {
    sound = false
    return report({ outcome: 'mismatched', property, subject: source.name, detail, offset })
  }
  const end = await checkEnd(source, bad)
  if (!end) return undefined
  const places = new Map<string, Place>()
  const spans: Span[] = [{ start: end.start, end: source.size, name: 'the directory' }]
  let at = end.start
  let entries = 0n
  try {
    for await (const { entry, record, position } of directoryEntries(source, end)) {
      entries++
      at = position + BigInt(record.length)
      await checkEntry(record, entry, position, bad)
      const member = { ...entry, headerOffset: entry.headerOffset + end.shift }
      const found = await checkLocalHeader(source, member, record, end.start, bad)
      if (!found) continue
      if (places.has(entry.name))
        await report({
          outcome: 'note',
          property: 'directory',
          subject: source.name,
          detail: `${entry.name} stands there twice: the last one counts`,
          offset: position,
        })
      places.set(entry.name, { entry: member, dataStart: found.dataStart })
      spans.push({ start: member.headerOffset, end: found.end, name: entry.name })
    }
    if (at !== end.end) await bad('directory', `${end.end - at} bytes follow its last entry`, at)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    await bad('directory', error.message, error.offset ?? at)
  }
  spans.sort(byStart)
  let furthest: Span | undefined
  for (const span of spans) {
    if (furthest && span.start < furthest.end)
      await bad('members', `${span.name} overlaps ${furthest.name}`, span.start)
    if (!furthest || span.end > furthest.end) furthest = span
  }
  if (sound)
    await report({
      outcome: 'matched',
      property: 'structure',
      subject: source.name,
      detail: `${entries} members: end records, directory and local headers agree`,
    })
  await describeGaps(source, spans, report)
  return { places, comment: end.comment, commentStart: end.commentStart }
}

type Bad = (property: string, detail: string, offset: bigint) => Promise<void>

interface End extends EndOfDirectory {
  readonly start: bigint
  readonly end: bigint
  /** Where the ZIP file begins, as its offsets count. */
  readonly shift: bigint
  readonly comment: string
  readonly commentStart: bigint
}

async function checkEnd(source: ByteSource, bad: Bad): Promise<End | undefined> {
  const reach = BigInt(MAX_COMMENT + END_SIZE + LOCATOR_SIZE + ZIP64_END_SIZE)
  const tailStart = source.size > reach ? source.size - reach : 0n
  const tail = asBuffer(await readExactly(source, tailStart, Number(source.size - tailStart)))
  const plainAt = findEnd(tail)
  if (plainAt === undefined) {
    await bad('end record', 'there is none: the file is cut, or no volume', source.size)
    return undefined
  }
  const plain = tail.subarray(plainAt)
  const { commentLength, ...shown } = decodeEnd(plain)
  const at = tailStart + BigInt(plainAt)
  const behind = plain.length - END_SIZE - commentLength
  if (behind > 0) await bad('end record', `${behind} bytes follow it`, source.size - BigInt(behind))

  const locatorAt = plainAt - LOCATOR_SIZE
  const located = locatorAt < 0 ? undefined : decodeLocator(tail.subarray(locatorAt, plainAt))
  let real: EndOfDirectory = shown
  let end = at
  if (located !== undefined) {
    const recordAt = locatorAt - ZIP64_END_SIZE
    const record = tail.subarray(Math.max(0, recordAt), locatorAt)
    const decoded = decodeZip64End(record)
    end = tailStart + BigInt(recordAt)
    if (!decoded) {
      await bad('zip64 end record', 'not where it belongs, before its locator', end)
      return undefined
    }
    real = decoded
    const numbers = [record.readUInt32LE(16), record.readUInt32LE(20)]
    if (record.readBigUInt64LE(4) !== BigInt(ZIP64_END_SIZE - 12) || numbers.some((disk) => disk !== 0))
      await bad('zip64 end record', 'its length or its disks are wrong', end)
    if (record.readBigUInt64LE(24) !== real.entries)
      await bad('zip64 end record', 'counts entries in two ways', end + 24n)
    const locator = tail.subarray(locatorAt, plainAt)
    if (locator.readUInt32LE(4) !== 0 || locator.readUInt32LE(16) > 1)
      await bad('zip64 locator', 'its disks are wrong', tailStart + BigInt(locatorAt))
  }
  const start = end - real.directorySize
  const shift = start - real.directoryOffset
  if (start < 0n || shift < 0n) {
    await bad('end records', 'the directory reaches past them', end)
    return undefined
  }
  if (located !== undefined && located !== end && located + shift !== end)
    await bad('zip64 locator', `says 0x${located.toString(16)}`, tailStart + BigInt(locatorAt))

  /** The plain record repeats what the other one says, or has all ones where that one counts. */
  const zip64 = located !== undefined
  const fits = (value: number, truth: bigint, ones: number) =>
    BigInt(value) === truth || (zip64 && value === ones)
  const fields: [string, boolean, bigint][] = [
    ['disk', fits(plain.readUInt16LE(4), 0n, 0xffff) && fits(plain.readUInt16LE(6), 0n, 0xffff), 4n],
    ['count on this disk', fits(plain.readUInt16LE(8), real.entries, 0xffff), 8n],
    ['count', fits(plain.readUInt16LE(10), real.entries, 0xffff), 10n],
    ['size of the directory', fits(plain.readUInt32LE(12), real.directorySize, ALL_ONES), 12n],
    ['offset of the directory', fits(plain.readUInt32LE(16), real.directoryOffset, ALL_ONES), 16n],
  ]
  for (const [name, right, offset] of fields)
    if (!right) await bad('end record', `its ${name} is wrong`, at + offset)
  const comment = plain.toString('utf8', END_SIZE, END_SIZE + commentLength)
  return { ...real, start, end, shift, comment, commentStart: at + BigInt(END_SIZE) }
}

interface EntryRecord {
  readonly entry: DirectoryEntry
  /** Valid until the next one. */
  readonly record: Buffer
  readonly position: bigint
}

async function* directoryEntries(
  source: ByteSource,
  { start, end, entries }: End,
): AsyncGenerator<EntryRecord> {
  let window: Buffer = Buffer.alloc(0)
  let windowStart = start
  let at = start
  for (let index = 0n; index < entries; index++) {
    let next = decodeEntry(window.subarray(Number(at - windowStart)), at)
    if (!next) {
      windowStart = at
      const left = end - at
      const length = clipLength(DIRECTORY_WINDOW, left)
      window = asBuffer(await readExactly(source, at, length))
      next = decodeEntry(window, at)
    }
    if (!next) throw new FormatError(`entry ${index} is cut`, at)
    const from = Number(at - windowStart)
    yield { entry: next.entry, record: window.subarray(from, from + next.length), position: at }
    at += BigInt(next.length)
  }
}

async function checkEntry(record: Buffer, entry: DirectoryEntry, at: bigint, bad: Bad): Promise<void> {
  const subject = `directory entry of ${entry.name}`
  if ((record.readUInt16LE(8) & ~KNOWN_FLAGS) !== 0) await bad(subject, 'flags that no reader knows', at + 8n)
  if (entry.method !== STORED && entry.method !== DEFLATED)
    await bad(subject, `method ${entry.method}`, at + 10n)
  if (entry.method === STORED && entry.size !== entry.compressedSize)
    await bad(subject, `stored, but ${entry.size} bytes in ${entry.compressedSize}`, at + 20n)
  const disk = record.readUInt16LE(34)
  if (disk !== 0 && disk !== 0xffff) await bad(subject, `on disk ${disk}`, at + 34n)
  const extra = record.subarray(ENTRY_SIZE + record.readUInt16LE(28)).subarray(0, record.readUInt16LE(30))
  if (!isWellFormed(extra)) await bad(subject, 'its extra field is damaged', at + BigInt(ENTRY_SIZE))
}

/** Compares a local header, and the descriptor where there is one, with the directory. */
async function checkLocalHeader(
  source: ByteSource,
  entry: DirectoryEntry,
  record: Buffer,
  directory: bigint,
  bad: Bad,
): Promise<{ dataStart: bigint; end: bigint } | undefined> {
  const at = entry.headerOffset
  const subject = `local header of ${entry.name}`
  const room = directory - at
  if (room < BigInt(LOCAL_HEADER_SIZE)) {
    await bad(subject, 'the directory says that it stands outside', at)
    return undefined
  }
  const rawName = record.subarray(ENTRY_SIZE, ENTRY_SIZE + record.readUInt16LE(28))
  const guess = Math.max(HEADER_WINDOW, LOCAL_HEADER_SIZE + 2 * rawName.length)
  let header = asBuffer(await readExactly(source, at, clipLength(guess, room)))
  let length: number
  try {
    length = localHeaderLength(header.subarray(0, LOCAL_HEADER_SIZE), at)
  } catch (error) {
    await bad(subject, (error as Error).message, at)
    return undefined
  }
  const dataStart = at + BigInt(length)
  const dataEnd = dataStart + entry.compressedSize
  if (dataEnd > directory) {
    await bad(subject, 'its data reach into the directory', at)
    return undefined
  }
  if (length > header.length) header = asBuffer(await readExactly(source, at, length))
  const nameLength = header.readUInt16LE(26)
  const name = header.subarray(LOCAL_HEADER_SIZE, LOCAL_HEADER_SIZE + nameLength)
  if (!rawName.equals(name)) {
    await bad(subject, `its name is ${name.toString('utf8')}`, at)
    return undefined
  }
  const flags = header.readUInt16LE(6)
  if (flags !== record.readUInt16LE(8))
    await bad(subject, 'its flags are not those of the directory', at + 6n)
  if (header.readUInt16LE(8) !== entry.method) await bad(subject, `method ${header.readUInt16LE(8)}`, at + 8n)

  const descriptor =
    (flags & FLAG_DESCRIPTOR) === 0 ? 'none' : await checkDescriptor(source, entry, dataEnd, directory)
  // Written before the data were known, it leaves out what the descriptor then says.
  const later = typeof descriptor === 'number'
  const crc = header.readUInt32LE(14)
  if (crc !== entry.crc && !(later && crc === 0))
    await bad(subject, 'its CRC is not that of the directory', at + 14n)
  const extra = header.subarray(LOCAL_HEADER_SIZE + nameLength, length)
  if (!isWellFormed(extra))
    await bad(subject, 'its extra field is damaged', at + BigInt(length - extra.length))
  const wide = zip64Values(extra)
  const sizes = [
    ['compressed size', header.readUInt32LE(18), entry.compressedSize, 18n, wide[1]],
    ['size', header.readUInt32LE(22), entry.size, 22n, wide[0]],
  ] as const
  for (const [what, value, truth, offset, long] of sizes) {
    // The long value counts only where the short one is all ones.
    const open = later && (long === 0n || long === 0xffffffffffffffffn)
    const right =
      value === ALL_ONES ? long === truth || open : BigInt(value) === truth || (later && value === 0)
    if (!right) await bad(subject, `its ${what} is not that of the directory`, at + offset)
  }
  if (descriptor === 'wrong')
    await bad(subject, 'the descriptor behind its data contradicts the directory', dataEnd)
  return { dataStart, end: dataEnd + (later ? BigInt(descriptor) : 0n) }
}

/** Length of the descriptor; `none` for writers that announce one and write none, which only their headers tell. */
async function checkDescriptor(
  source: ByteSource,
  entry: DirectoryEntry,
  at: bigint,
  directory: bigint,
): Promise<number | 'none' | 'wrong'> {
  const room = directory - at
  const length = clipLength(LONG_DESCRIPTOR, room)
  const bytes = asBuffer(await readExactly(source, at, length))
  if (length < SHORT_DESCRIPTOR || bytes.readUInt32LE(0) !== DESCRIPTOR) return 'none'
  if (bytes.readUInt32LE(4) !== entry.crc) return 'wrong'
  const long =
    length === LONG_DESCRIPTOR &&
    bytes.readBigUInt64LE(8) === entry.compressedSize &&
    bytes.readBigUInt64LE(16) === entry.size
  if (long) return LONG_DESCRIPTOR
  const short =
    BigInt(bytes.readUInt32LE(8)) === entry.compressedSize && BigInt(bytes.readUInt32LE(12)) === entry.size
  return short ? SHORT_DESCRIPTOR : 'wrong'
}

/** Whether an extra field consists of whole pieces: id u16, length u16, so many bytes. */
function isWellFormed(extra: Buffer): boolean {
  let at = 0
  while (at + 4 <= extra.length) at += 4 + extra.readUInt16LE(at + 2)
  return at === extra.length
}

/** The first two values of a zip64 field, size and compressed size. */
function zip64Values(extra: Buffer): [bigint | undefined, bigint | undefined] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2))
    if (extra.readUInt16LE(at) === 1 && extra.readUInt16LE(at + 2) >= 16 && at + 20 <= extra.length)
      return [extra.readBigUInt64LE(at + 4), extra.readBigUInt64LE(at + 12)]
  return [undefined, undefined]
}
