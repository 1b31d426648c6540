import { constants, crc32, inflateRawSync } from 'node:zlib'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { type DirectoryEntry, decodeEntry, ENTRY_SIZE } from '../zip/central-directory.js'
import { DESCRIPTOR_SIZE, type Descriptor, readDescriptor } from '../zip/data-descriptor.js'
import { DEFLATED, findLocalHeader, LONGEST_HEADER, type LocalHeader, STORED } from '../zip/local-header.js'
import { openWindow, type Window } from './window.js'

/**
 * The members of a ZIP file by their local headers, one after another, whatever has become of its directory.
 * Where a header does not lead to the next one, the next signature with a header behind it that could be one is
 * taken up (AFF4 volumes: the search for what a crash has left).
 */
export interface FoundMember {
  readonly name: string
  readonly method: number
  readonly headerOffset: bigint
  /** Where its data begin. */
  readonly start: bigint
  /** Bytes of data there are at most. */
  readonly available: bigint
  /** Undefined where the header did not know it and no descriptor does. */
  readonly compressedSize: bigint | undefined
  readonly size: bigint | undefined
  /** whole: its CRC-32 matches. damaged: it doesn't. cut: the file, or what is known of the member, ends before. */
  readonly state: 'whole' | 'damaged' | 'cut'
}

export interface Scan {
  /** In the order in which they stand. */
  readonly members: readonly FoundMember[]
  /** More was there than is taken up. */
  readonly overfull: boolean
}

const PK = Buffer.from('PK', 'latin1')
const DESCRIPTOR = Buffer.from([0x50, 0x4b, 7, 8])
/** Each costs memory: a bound for what a file full of signatures can ask for. */
const MOST_MEMBERS = 1 << 20
/** What is inflated is held in memory: a bound against bombs. */
const MOST_INFLATED = 64n << 20n
const BLOCK = 1 << 20
/** Bytes read in vain for claims that overlap: so many times the size of the file, at most. */
const PATIENCE = 4n

/** @param progress told how far the search has come */
export async function scanMembers(
  source: ByteSource,
  progress: (at: bigint) => void = () => {},
): Promise<Scan> {
  const window = openWindow(source, progress)
  const members: FoundMember[] = []
  const listed: DirectoryEntry[] = []
  let descriptors: Map<number, PlacedDescriptor> | undefined
  let wasted = 0n
  /** Until where a member claims what could not be confirmed: what stands before may be its content. */
  let claimed = 0n

  let at = 0n
  let judged = 0
  for (; judged < MOST_MEMBERS; judged++) {
    const header = await nextHeader(window, at, listed)
    if (!header) break
    progress(header.at)
    const { member, next } = await judge(header)
    const nested = header.at < claimed
    if (!nested || (member.state === 'whole' && belongs(member.name))) members.push(member)
    if (next === member.start && member.state !== 'whole') {
      const end = member.start + member.available
      if (end > claimed) claimed = end
    }
    at = next
  }
  return {
    members: endBeforeOthers(await addListed(source, members, listed)),
    overfull: judged === MOST_MEMBERS,
  }

  async function judge({ at, header }: PlacedHeader): Promise<{ member: FoundMember; next: bigint }> {
    const start = at + BigInt(header.length)
    const left = source.size - start
    const { name, method } = header
    const base = { name, method, headerOffset: at, start }
    let { facts } = header
    let behind = 0n
    if (!facts) {
      descriptors ??= await findDescriptors(window, start)
      const descriptor = descriptors.get(Number(start))
      if (descriptor) {
        facts = descriptor
        behind = BigInt(descriptor.length)
      }
    }
    // pyaff4, which writes real sizes and no descriptors, says of all names that they are UTF-8.
    if (!facts && header.utf8 && (await isSignature(source, start))) facts = EMPTY
    if (!facts) {
      const member = { ...base, available: left, compressedSize: undefined, size: undefined }
      return { member: { ...member, state: 'cut' }, next: start }
    }
    const { compressedSize, size } = facts
    const sized = { ...base, compressedSize, size }
    if (compressedSize > left) return { member: { ...sized, available: left, state: 'cut' }, next: start }
    const end = start + compressedSize
    const found = { ...sized, available: compressedSize }
    const patient = wasted <= PATIENCE * source.size
    if (patient && (await crcMatches(source, { ...found, crc: facts.crc }, progress)))
      return { member: { ...found, state: 'whole' }, next: end + behind }
    const confirmed = end === source.size || behind > 0n || (await isSignature(source, end))
    if (!confirmed) wasted += compressedSize
    return { member: { ...found, state: 'damaged' }, next: confirmed ? end + behind : start }
  }
}

const EMPTY = { crc: 0, compressedSize: 0n, size: 0n }

/** Names that only members of an AFF4 volume have: what is found inside another member may be anything. */
const belongs = (name: string) => /^aff4(%3a|:)|^information\.turtle|\/\d{8}($|[./])|\/(map|idx)$/i.test(name)

interface PlacedHeader {
  readonly at: bigint
  readonly header: LocalHeader
}

/** The next header from `at` on; entries of directories on the way go to `listed`. */
async function nextHeader(
  window: Window,
  from: bigint,
  listed: DirectoryEntry[],
): Promise<PlacedHeader | undefined> {
  const mayBegin = (bytes: Buffer) =>
    mayBeHeader(bytes) || (listed.length < MOST_MEMBERS && mayBeEntry(bytes))
  for (let at: bigint | undefined = from; ; at += 2n) {
    at = await window.find(PK, at, mayBegin)
    if (at === undefined) return undefined
    const bytes = await window.read(at, LONGEST_HEADER + ENTRY_SIZE)
    if (mayBeHeader(bytes)) {
      const header = findLocalHeader(bytes)
      if (header) return { at, header }
    } else {
      const entry = entryAt(bytes, at)
      if (entry) listed.push(entry)
    }
  }
}

const mayBeHeader = (bytes: Buffer) =>
  bytes.length >= 30 && bytes[2] === 3 && bytes[3] === 4 && bytes[5] === 0 && knownMethod(bytes, 8)
const mayBeEntry = (bytes: Buffer) =>
  bytes.length >= ENTRY_SIZE && bytes[2] === 1 && bytes[3] === 2 && bytes[7] === 0 && knownMethod(bytes, 10)
const knownMethod = (bytes: Buffer, at: number) =>
  (bytes[at] === STORED || bytes[at] === DEFLATED) && bytes[at + 1] === 0

function entryAt(bytes: Bytes, at: bigint): DirectoryEntry | undefined {
  try {
    return decodeEntry(bytes, at)?.entry
  } catch {
    return undefined
  }
}

async function isSignature(source: ByteSource, at: bigint): Promise<boolean> {
  const bytes = await source.read(at, 4)
  if (bytes.length < 4 || bytes[0] !== 0x50 || bytes[1] !== 0x4b) return false
  return ['3,4', '1,2', '7,8', '5,6', '6,6'].includes(`${bytes[2]},${bytes[3]}`)
}

interface PlacedDescriptor extends Descriptor {
  readonly at: bigint
}

/** All descriptors behind `from`, by the offset at which the data must begin that they speak of. */
async function findDescriptors(window: Window, from: bigint): Promise<Map<number, PlacedDescriptor>> {
  const found = new Map<number, PlacedDescriptor>()
  for (let at: bigint | undefined = from; found.size < MOST_MEMBERS; at += 4n) {
    at = await window.find(DESCRIPTOR, at)
    if (at === undefined) break
    for (const descriptor of readDescriptor(await window.read(at, DESCRIPTOR_SIZE))) {
      const start = at - descriptor.compressedSize
      if (start >= from && !found.has(Number(start))) found.set(Number(start), { ...descriptor, at })
    }
  }
  return found
}

type Checked = Pick<FoundMember, 'method' | 'start' | 'available' | 'size'> & { readonly crc: number }

async function crcMatches(
  source: ByteSource,
  member: Checked,
  progress: (at: bigint) => void = () => {},
): Promise<boolean> {
  if (member.method === DEFLATED) {
    const content = await inflateMember(source, member)
    return content !== undefined && BigInt(content.length) === member.size && crc32(content) === member.crc
  }
  if (member.method !== STORED || member.size !== member.available) return false
  let crc = 0
  for (let done = 0n; done < member.available; ) {
    const left = member.available - done
    const bytes = await source.read(member.start + done, clipLength(BLOCK, left))
    if (bytes.length === 0) return false
    crc = crc32(bytes, crc)
    done += BigInt(bytes.length)
    progress(member.start + done)
  }
  return crc === member.crc
}

/**
 * The content of a deflated member, as far as it goes.
 * @returns undefined when it is too large, or nothing of it can be inflated
 */
export async function inflateMember(
  source: ByteSource,
  { start, available, size }: Pick<FoundMember, 'start' | 'available' | 'size'>,
): Promise<Bytes | undefined> {
  const limit = size ?? MOST_INFLATED
  if (available > MOST_INFLATED || limit > MOST_INFLATED) return undefined
  return inflate(await source.read(start, Number(available)), Number(limit))
}

function inflate(stored: Bytes, limit: number): Bytes | undefined {
  try {
    return inflateRawSync(stored, {
      // What is cut inflates up to the cut.
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: Math.max(1, limit),
    })
  } catch {
    return undefined
  }
}

/**
 * The content of deflated bytes up to where they are damaged: the longest beginning of them that inflates to no more
 * than `limit` bytes, found by halving.
 */
export function inflatePart(stored: Bytes, limit: number): Bytes | undefined {
  let best = inflate(stored, limit)
  for (let good = 0, bad = best ? 0 : stored.length; bad - good > 1; ) {
    const middle = (good + bad) >> 1
    const part = inflate(stored.subarray(0, middle), limit)
    if (part) {
      best = part
      good = middle
    } else bad = middle
  }
  return best
}

/** Members whose header is damaged, but not the entry of the directory that leads to them. */
async function addListed(
  source: ByteSource,
  members: readonly FoundMember[],
  listed: readonly DirectoryEntry[],
): Promise<FoundMember[]> {
  const whole = new Set(
    members.filter(({ state }) => state === 'whole').map(({ headerOffset }) => headerOffset),
  )
  const added: FoundMember[] = []
  let wasted = 0n
  for (const { name, method, crc, size, compressedSize, headerOffset } of listed) {
    if (whole.has(headerOffset) || wasted > PATIENCE * source.size) continue
    const fixed = headerOffset + 30n + BigInt(Buffer.byteLength(name, 'utf8'))
    for (const extra of USUAL_EXTRA_LENGTHS) {
      const start = fixed + extra
      if (start + compressedSize > source.size) continue
      const member = { name, method, headerOffset, start, available: compressedSize, compressedSize, size }
      if (await crcMatches(source, { ...member, crc })) {
        added.push({ ...member, state: 'whole' })
        whole.add(headerOffset)
        break
      }
      wasted += compressedSize
    }
  }
  const replaced = new Set(added.map(({ headerOffset }) => headerOffset))
  return [...members.filter(({ headerOffset }) => !replaced.has(headerOffset)), ...added].sort((a, b) =>
    a.headerOffset < b.headerOffset ? -1 : a.headerOffset > b.headerOffset ? 1 : 0,
  )
}

/** Members of unknown length end before the next one that is whole. */
function endBeforeOthers(members: readonly FoundMember[]): FoundMember[] {
  let limit: bigint | undefined
  return members
    .toReversed()
    .map((member) => {
      const { start, available, compressedSize, state } = member
      const open = compressedSize === undefined && limit !== undefined && limit < start + available
      if (state === 'whole' && belongs(member.name)) limit = member.headerOffset
      return open ? { ...member, available: limit! - start } : member
    })
    .reverse()
}

/** Of the extra field of a local header: none, the zip64 field with two, three and four values. */
const USUAL_EXTRA_LENGTHS = [0n, 20n, 28n, 32n]
