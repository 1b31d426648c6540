import type { ByteSource } from '../../byte-source.js'
import { min } from '../../min-max.js'
import { NtfsError, type Report } from '../finding.js'
import { readAround } from '../read-around.js'

/**
 * $Secure:$SDS: pairs of areas, the second a copy of the first. Entries are 16-aligned and cross no border of areas;
 * a length of 0 ends what an area holds:
 *
 *      0  4  hash of the descriptor       16  4  length with this header
 *      4  4  security id                  20     security descriptor
 *      8  8  offset of its first copy
 */
const HEADER_SIZE = 20
const AREA = 0x4_0000
const PAIR = BigInt(2 * AREA)
/** Of an entry: Windows takes no descriptor above 64 KiB. */
const LONGEST = 0x1_0000 + HEADER_SIZE
const ALIGNMENT = 16
/** Of $SDS, which may claim any size: a million of the usual descriptors. */
const MOST_SCANNED = 256n << 20n

export interface SecurityEntry {
  readonly id: number
  readonly hash: number
  /** In $SDS, of the first copy. */
  readonly offset: bigint
  readonly descriptor: Buffer
}

/** Where $SII says that an entry stands. */
export interface SecurityEntryPlace {
  readonly offset: bigint
  /** With its header. */
  readonly length: number
}

/** Gives what $SII holds for a security id, undefined when that is nothing. */
export type FindSecurityEntry = (id: number) => Promise<SecurityEntryPlace | undefined>

/** Hash of a descriptor as $SDS and $SDH hold it: words added up, turned left by 3 bits in between. */
export function hashDescriptor(descriptor: Buffer): number {
  let hash = 0
  for (let at = 0; at + 4 <= descriptor.length; at += 4)
    hash = (descriptor.readUInt32LE(at) + ((hash << 3) | (hash >>> 29))) >>> 0
  return hash
}

/**
 * The entry of a security id, from the copy that is sound.
 * @returns undefined when $SII knows none
 * @throws {NtfsError} when neither copy is what $SII says
 */
export async function readSecurityEntry(
  sds: ByteSource,
  id: number,
  find: FindSecurityEntry,
  report: Report,
): Promise<SecurityEntry | undefined> {
  const place = await find(id)
  if (!place) return undefined
  const { offset, length } = place
  if (offset < 0n || offset >= sds.size || length < HEADER_SIZE || length > LONGEST)
    throw new NtfsError(`$SII leads security id ${id} to ${length} bytes outside $SDS`, offset)
  let wrong = ''
  for (const copy of [offset, offset + BigInt(AREA)]) {
    let complaint: string | undefined
    const bytes = await readAround(sds, copy, length, (_, reason) => {
      complaint = reason
    })
    complaint ??= bytes.length < length ? 'it is cut off' : complaintAbout(bytes, offset, id)
    if (complaint === undefined) {
      if (wrong) report({ message: `$SDS: security id ${id} is read from its copy: ${wrong}`, offset })
      return entryOf(bytes, 0, length)
    }
    wrong ||= complaint
  }
  throw new NtfsError(`$SDS: both copies of security id ${id} are damaged: ${wrong}`, offset)
}

/**
 * Every entry that is sound in either copy, in order of offset: what is left where $SII is lost.
 * Memory stays that of a pair of areas.
 */
export async function* scanSecurityEntries(sds: ByteSource, report: Report): AsyncGenerator<SecurityEntry> {
  const end = min(sds.size, MOST_SCANNED)
  if (end < sds.size)
    report({ message: `$SDS claims ${sds.size} bytes; what lies behind ${end} is not searched`, offset: end })
  for (let pair = 0n; pair < end; pair += PAIR) {
    const bytes = await readAround(sds, pair, 2 * AREA, (offset, reason) =>
      report({ message: `$SDS: ${reason}`, offset }),
    )
    const first = bytes.subarray(0, AREA)
    const second = bytes.subarray(AREA)
    let at = 0
    while (at + HEADER_SIZE <= AREA) {
      const offset = pair + BigInt(at)
      const sound = [first, second].find((area) => isSound(area, at, offset))
      if (sound) {
        const length = sound.readUInt32LE(at + 16)
        if (sound === second) report({ message: '$SDS: an entry is read from its copy', offset })
        // No hash covers the id.
        else if (isSound(second, at, offset) && second.readUInt32LE(at + 4) !== first.readUInt32LE(at + 4))
          report({
            message: `$SDS: the copy of security id ${first.readUInt32LE(at + 4)} has another id`,
            offset,
          })
        yield entryOf(sound, at, length)
        at = align(at + length)
        continue
      }
      // Nothing here in either copy ends an area; damage does not, entries behind it are found by their own offset.
      if (isEmpty(first, at) && isEmpty(second, at)) break
      const next = nextSound(first, second, at + ALIGNMENT, pair)
      if (next === undefined) break
      report({ message: `$SDS: ${next - at} bytes hold no sound entry and are passed over`, offset })
      at = next
    }
  }
}

function nextSound(first: Buffer, second: Buffer, from: number, pair: bigint): number | undefined {
  for (let at = from; at + HEADER_SIZE <= AREA; at += ALIGNMENT) {
    const offset = pair + BigInt(at)
    if (isSound(first, at, offset) || isSound(second, at, offset)) return at
  }
  return undefined
}

const isEmpty = (area: Buffer, at: number): boolean =>
  at + HEADER_SIZE > area.length || area.readUInt32LE(at + 16) === 0

function isSound(area: Buffer, at: number, offset: bigint): boolean {
  if (at + HEADER_SIZE > area.length || area.readBigUInt64LE(at + 8) !== offset) return false
  const length = area.readUInt32LE(at + 16)
  if (length < HEADER_SIZE || length > LONGEST || at + length > area.length) return false
  return complaintAbout(area.subarray(at, at + length), offset) === undefined
}

/** @param bytes as long as the entry is believed to be, the header at least */
function complaintAbout(bytes: Buffer, offset: bigint, id?: number): string | undefined {
  if (bytes.readBigUInt64LE(8) !== offset) return 'its offset is another one'
  if (id !== undefined && bytes.readUInt32LE(4) !== id) return `it has id ${bytes.readUInt32LE(4)}`
  if (bytes.readUInt32LE(16) !== bytes.length) return 'its length is another one'
  if (hashDescriptor(bytes.subarray(HEADER_SIZE)) !== bytes.readUInt32LE(0)) return 'its hash does not match'
  return undefined
}

const entryOf = (bytes: Buffer, at: number, length: number): SecurityEntry => ({
  hash: bytes.readUInt32LE(at),
  id: bytes.readUInt32LE(at + 4),
  offset: bytes.readBigUInt64LE(at + 8),
  descriptor: bytes.subarray(at + HEADER_SIZE, at + length),
})

const align = (at: number) => Math.ceil(at / ALIGNMENT) * ALIGNMENT
