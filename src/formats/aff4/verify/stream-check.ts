import { combineCrc } from '../../../codecs/crc-combine.js'
import { crc32 } from '../../../codecs/crc32.js'
import { sweepAfter } from '../../../codecs/sweep.js'
import type { Bytes } from '../../byte-source.js'
import { min } from '../../min-max.js'
import type { Member } from '../container.js'
import { INDEX_ENTRY_SIZE } from '../image-stream.js'
import { type ImageStream, LARGEST_INDEX, openImageStream, type StoredChunk } from '../image-stream-reader.js'
import { DIGESTS, type DigestName } from '../lexicon.js'
import type { Volume } from '../volume.js'
import { openBlockHashCheck, type Segment, statedBy } from './block-hash-check.js'
import { type Context, damageOf, readThrough, readWhole, subjectOf, tellCrc } from './context.js'
import { type Claim, openSums } from './digest-claims.js'
import { openReadAhead } from './read-ahead.js'

/** Findings of one kind about the chunks of a stream, after which they are only counted. */
const MOST_TOLD = 20
/** Chunks that are read at once to be looked at one by one. */
const MOST_READ = 1024
/** Bevies that are missing, after which the rest of the stream is given up. */
const MOST_MISSING = 10

/**
 * An image stream on its way through the checks: each bevy is read once, each chunk decoded once, for everything
 * that is stated about them.
 */
export interface StreamCheck {
  readonly urn: string
  readonly size: bigint
  /**
   * Gives bytes of the stream, piece by piece, valid until more are asked for; what is passed over on the way forward
   * is checked as well.
   * @returns false when some of them are damaged: it ends there
   */
  feed(offset: bigint, length: bigint, take: (bytes: Bytes) => void): Promise<boolean>
  /** Checks what is left, and tells of the chunks. After it only `feed` and the digests may be asked. */
  finish(): Promise<void>
  /** Whether all of it was passed over. */
  readonly passed: boolean
  /** Digest of its bytes; undefined when some are damaged. */
  linear(algorithm: string): Buffer | undefined
  /** Digest of its indexes; undefined when one is damaged or missing. */
  index(algorithm: string): Buffer | undefined
  /** The kinds of block hashes that it has, in the order of the Standard. */
  readonly blockHashes: readonly DigestName[]
  /** Digest of all block hashes of a kind; undefined when there are none, or some are missing. */
  blockHashSum(kind: DigestName, algorithm: string): Buffer | undefined
}

/** The bevy at hand. */
interface Bevy {
  readonly volume: Volume
  readonly member: Member
  readonly blockHashes: readonly Segment[]
  /** Of the chunks that were passed over. */
  crc: number
  length: bigint
}

/** What was passed over last: so many bytes of the stream, or so many that are damaged. */
interface Passed {
  readonly start: bigint
  readonly length: bigint
  readonly content: Bytes | undefined
  release?(): void
}

/**
 * @param claims of its bytes
 * @throws {FormatError} when its description is damaged
 */
export function openStreamCheck(
  context: Context,
  home: Volume,
  urn: string,
  claims: readonly Claim[],
  sumAlgorithms: readonly string[],
): StreamCheck {
  const { volumes, report } = context
  let stream: ImageStream | undefined = openImageStream(home, urn, volumes)
  const { size, chunkSize, bevyBytes } = stream
  const chunkBytes = BigInt(chunkSize)
  const count = (size + chunkBytes - 1n) / chunkBytes
  const chunksPerBevy = bevyBytes / chunkBytes
  const linear = openSums(claims.map(({ algorithm }) => algorithm))
  const index = openSums(sumAlgorithms)
  const blockHashes = openBlockHashCheck(context, stream, sumAlgorithms)
  const ahead = openReadAhead(context.threads, stream, count, blockHashes.digestsIn)

  /** The next chunk to be checked, what was read to be decoded here, and what came before. */
  let cursor = 0n
  let read: StoredChunk[] = []
  let last: Passed | undefined
  let bevy: Bevy | undefined
  let bevies = 0
  let missing = 0
  let indexWhole = true
  let chunksWhole = true
  let damaged = 0

  const bad = (property: string, subject: string, damage: { detail: string; offset?: bigint }) =>
    report({ outcome: 'mismatched', property, subject, ...damage })
  const slotOf = (chunk: bigint) => Number(chunk % chunksPerBevy)

  async function beginBevy(number: number): Promise<boolean> {
    const members = stream!.membersOf(number)
    if (!members) {
      missing++
      indexWhole = false
      chunksWhole = false
      const end = BigInt(number + 1) * chunksPerBevy
      const all = missing === MOST_MISSING || end > count
      cursor = all ? count : end
      const rest = missing === MOST_MISSING ? ', nor are many others; what follows was not looked for' : ''
      await bad(`bevy ${number}`, urn, { detail: `it or its index is not in the volume${rest}` })
      return false
    }
    bevies++
    const { volume, bevy: member, index: indexMember } = members
    context.owned.add(member).add(indexMember)
    const entries = await readWhole(context, volume, indexMember, LARGEST_INDEX)
    if (entries) index.update(entries)
    else indexWhole = false
    const entrySize = volume.dialect.index === 'entries' ? INDEX_ENTRY_SIZE : 4
    if (entries && entries.length % entrySize !== 0)
      await bad('index', subjectOf(volume, indexMember), { detail: 'its last entry is cut' })
    bevy = { volume, member, blockHashes: await blockHashes.load(number, volume), crc: 0, length: 0n }
    return true
  }

  /** Checks the chunk at the cursor, and those that were decoded with it. */
  async function advance(): Promise<void> {
    const slot = slotOf(cursor)
    if (slot === 0 && !(await beginBevy(Number(cursor / chunksPerBevy)))) return
    if (!(await passSound(slot))) await passOne(slot)
    if (slotOf(cursor) === 0 || cursor === count) await endBevy()
  }

  /** What is passed over stays at hand until something else is. */
  function pass(chunks: number, passed: Omit<Passed, 'start' | 'length'>): void {
    last?.release?.()
    const { content } = passed
    const length = content ? BigInt(content.length) : BigInt(chunks) * chunkBytes
    last = { ...passed, start: cursor * chunkBytes, length }
    cursor += BigInt(chunks)
  }

  /** @returns false when the chunks have to be looked at one by one */
  async function passSound(slot: number): Promise<boolean> {
    const chunks = await ahead.take(cursor)
    if (!chunks) return false
    const pause = context.tick(chunks.bytes)
    if (pause) await pause
    if (!blockHashes.compareAll(bevy!.blockHashes, slot, chunks.count, chunks.digests)) {
      chunks.release()
      return false
    }
    bevy!.crc = combineCrc(bevy!.crc, chunks.crc, chunks.bytes)
    bevy!.length += BigInt(chunks.bytes)
    const left = size - cursor * chunkBytes
    const { content } = chunks
    const used = BigInt(content.length) > left ? content.subarray(0, Number(left)) : content
    linear.update(used)
    pass(chunks.count, { content: used, release: chunks.release })
    return true
  }

  async function passOne(slot: number): Promise<void> {
    const content = await contentOf(slot)
    if (!content) {
      chunksWhole = false
      return pass(1, { content })
    }
    const left = size - cursor * chunkBytes
    const used = BigInt(content.length) > left ? content.subarray(0, Number(left)) : content
    linear.update(used)
    for (const segment of blockHashes.compare(bevy!.blockHashes, slot, content, used))
      if (blockHashes.wrong(segment.kind) <= MOST_TOLD)
        await bad(`block hash ${DIGESTS[segment.kind].datatype}`, subjectOf(bevy!.volume, bevy!.member), {
          detail: statedBy(segment, slot),
          ...(await placeOf()),
        })
    pass(1, { content: used })
  }

  async function contentOf(slot: number): Promise<Bytes | undefined> {
    try {
      if (read[0]?.number !== cursor) read = await storedChunks()
      const chunk = read.shift()!
      bevy!.crc = crc32(chunk.stored, bevy!.crc)
      bevy!.length += BigInt(chunk.stored.length)
      const pause = context.tick(chunk.stored.length)
      if (pause) await pause
      const content = stream!.decode(chunk)
      if (chunk.codec !== 'none') sweepAfter(content.length)
      return content
    } catch (error) {
      read = []
      const { detail } = damageOf(error)
      if (++damaged <= MOST_TOLD)
        await bad(`chunk ${slot}`, subjectOf(bevy!.volume, bevy!.member), { detail, ...(await placeOf()) })
      return undefined
    }
  }

  /** The neighbours of a damaged entry of the index are read without it. */
  async function storedChunks(): Promise<StoredChunk[]> {
    const left = chunksPerBevy - (cursor % chunksPerBevy)
    const most = Number(count - cursor < left ? count - cursor : left)
    try {
      return await stream!.chunks(cursor, Math.min(most, MOST_READ))
    } catch (error) {
      damageOf(error)
      return stream!.chunks(cursor, 1)
    }
  }

  /** Where the chunk stands in the file, as far as its index tells. */
  async function placeOf(): Promise<{ offset?: bigint }> {
    const { volume, member } = bevy!
    const start = context.structures.get(volume)?.places.get(member.name)?.dataStart
    try {
      const within = await stream!.offsetOf(cursor)
      return start === undefined || within === undefined ? {} : { offset: start + within }
    } catch (error) {
      damageOf(error)
      return {}
    }
  }

  async function endBevy(): Promise<void> {
    const { volume, member, crc, length } = bevy!
    read = []
    // Chunks out of order, or bytes that belong to none: then the member is read as it stands.
    if (length === member.size && crc === member.crc) await tellCrc(context, volume, member, crc)
    else if (member.crc !== undefined) await readThrough(context, volume, member)
    bevy = undefined
  }

  async function feed(offset: bigint, length: bigint, take: (bytes: Bytes) => void): Promise<boolean> {
    const end = offset + length
    for (let at = offset; at < end; ) {
      const number = at / chunkBytes
      while (cursor <= number && cursor < count) await advance()
      const found = last && at >= last.start && at < last.start + last.length ? last : await again(number)
      const within = at - found.start
      const wanted = Number(end - at < found.length - within ? end - at : found.length - within)
      const piece = found.content?.subarray(Number(within), Number(within) + wanted)
      if (piece?.length !== wanted) return false
      take(piece)
      at += BigInt(wanted)
    }
    return true
  }

  /** A chunk that was passed over before. */
  async function again(number: bigint): Promise<Passed> {
    stream ??= openImageStream(home, urn, volumes)
    const start = number * chunkBytes
    const left = size - start
    const length = min(left, chunkBytes)
    try {
      const content = await stream.read(start, Number(length))
      last?.release?.()
      last = { start, length, content }
      return last
    } catch (error) {
      damageOf(error)
      return { start, length, content: undefined }
    }
  }

  async function finish(): Promise<void> {
    while (cursor < count) await advance()
    stream = undefined
    last?.release?.()
    last = undefined
    ahead.end()
    if (damaged > MOST_TOLD) await bad('chunks', urn, { detail: `${damaged} of ${count} are damaged` })
    else if (damaged === 0 && missing === 0)
      await report({ outcome: 'matched', property: 'chunks', subject: urn, detail: `${count} decode` })
    await blockHashes.conclude(bevies)
  }

  return {
    urn,
    size,
    feed,
    finish,
    get passed() {
      return cursor >= count
    },
    linear: (algorithm) => (chunksWhole ? linear.digest(algorithm) : undefined),
    index: (algorithm) => (indexWhole ? index.digest(algorithm) : undefined),
    get blockHashes() {
      return blockHashes.kinds
    },
    blockHashSum: (kind, algorithm) => (missing === 0 ? blockHashes.sum(kind, algorithm, bevies) : undefined),
  }
}
