import { createHash, hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { sweepAfter } from '../../../codecs/sweep.js'
import type { Bytes } from '../../byte-source.js'
import type { Member } from '../container.js'
import { blockHashesOf } from '../dialect.js'
import { INDEX_ENTRY_SIZE } from '../image-stream.js'
import { type ImageStream, LARGEST_INDEX, openImageStream, type StoredChunk } from '../image-stream-reader.js'
import { DIGESTS, type DigestName } from '../lexicon.js'
import type { Volume } from '../volume.js'
import { type Context, damageOf, readThrough, readWhole, subjectOf, tellCrc } from './context.js'
import { type Claim, openSums, type Sums } from './digest-claims.js'

/** Findings of one kind about the chunks of a stream, after which they are only counted. */
const MOST_TOLD = 20
/** Bevies that are missing, after which the rest of the stream is given up. */
const MOST_MISSING = 10

const ALGORITHMS = Object.keys(DIGESTS) as DigestName[]

/**
 * An image stream on its way through the checks: each bevy is read once, each chunk decoded once, for everything
 * that is stated about them.
 */
export interface StreamCheck {
  readonly urn: string
  readonly size: bigint
  /**
   * Gives bytes of the stream, piece by piece; what is passed over on the way forward is checked as well.
   * @returns false when some of them are damaged: those are left out
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

/** What the bevy at hand has besides its chunks. */
interface Bevy {
  readonly number: number
  readonly volume: Volume
  readonly member: Member
  readonly segments: readonly { kind: DigestName; volume: Volume; member: Member; bytes: Bytes }[]
  crc: number
  length: bigint
}

/** Block hashes of one kind. */
interface Kind {
  readonly sums: Sums
  bevies: number
  chunks: bigint
  wrong: number
  missing: number
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
  const chunksPerBevy = Number(bevyBytes / chunkBytes)
  const linear = openSums(claims.map(({ algorithm }) => algorithm))
  const index = openSums(sumAlgorithms)
  const kinds = new Map<DigestName, Kind>()

  /** The next chunk to be checked, what was read ahead of it, and the one before with its content. */
  let cursor = 0n
  let ahead: StoredChunk[] = []
  let last: { number: bigint; content: Bytes | undefined } | undefined
  let bevy: Bevy | undefined
  let bevies = 0
  let missing = 0
  let indexWhole = true
  let chunksWhole = true
  let damaged = 0

  const bad = (property: string, subject: string, damage: { detail: string; offset?: bigint }) =>
    report({ outcome: 'mismatched', property, subject, ...damage })

  async function beginBevy(number: number): Promise<boolean> {
    const members = stream!.membersOf(number)
    if (!members) {
      missing++
      indexWhole = false
      chunksWhole = false
      const end = BigInt(number + 1) * BigInt(chunksPerBevy)
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
    bevy = { number, volume, member, segments: await loadSegments(number, volume), crc: 0, length: 0n }
    return true
  }

  /** Stripes have copies of one another's block hashes: all of them must hold, those at home are summed up. */
  async function loadSegments(number: number, at: Volume): Promise<Bevy['segments']> {
    const segments: { kind: DigestName; volume: Volume; member: Member; bytes: Bytes }[] = []
    for (const volume of [at, ...volumes.filter((other) => other !== at)])
      for (const kind of ALGORITHMS) {
        const member = volume.find(blockHashesOf(urn, number, kind, volume.dialect))
        if (!member) continue
        context.owned.add(member)
        const bytes = await readWhole(context, volume, member, BigInt(DIGESTS[kind].size * chunksPerBevy))
        if (!bytes) continue
        segments.push({ kind, volume, member, bytes })
        if (volume !== at) continue
        const known = kindOf(kind)
        known.sums.update(bytes)
        known.bevies++
      }
    return segments
  }

  function kindOf(kind: DigestName): Kind {
    let known = kinds.get(kind)
    if (!known) {
      known = {
        sums: openSums([...sumAlgorithms, DIGESTS[kind].node]),
        bevies: 0,
        chunks: 0n,
        wrong: 0,
        missing: 0,
      }
      kinds.set(kind, known)
    }
    return known
  }

  /** Checks the chunk at the cursor. */
  async function advance(): Promise<void> {
    const slot = Number(cursor % BigInt(chunksPerBevy))
    if (slot === 0 && !(await beginBevy(Number(cursor / BigInt(chunksPerBevy))))) return
    const content = await nextContent(slot)
    if (content) {
      const left = size - cursor * chunkBytes
      const used = BigInt(content.length) > left ? content.subarray(0, Number(left)) : content
      linear.update(used)
      await checkBlockHashes(slot, content, used)
    } else chunksWhole = false
    last = { number: cursor, content }
    cursor++
    if (slot === chunksPerBevy - 1 || cursor === count) await endBevy()
  }

  async function nextContent(slot: number): Promise<Bytes | undefined> {
    try {
      if (ahead[0]?.number !== cursor) ahead = await storedChunks()
      const chunk = ahead.shift()!
      bevy!.crc = crc32(chunk.stored, bevy!.crc)
      bevy!.length += BigInt(chunk.stored.length)
      const pause = context.tick(chunk.stored.length)
      if (pause) await pause
      const content = stream!.decode(chunk)
      if (chunk.codec !== 'none') sweepAfter(content.length)
      return content
    } catch (error) {
      ahead = []
      const { detail } = damageOf(error)
      if (++damaged <= MOST_TOLD)
        await bad(`chunk ${slot}`, subjectOf(bevy!.volume, bevy!.member), { detail, ...(await placeOf()) })
      return undefined
    }
  }

  /** The neighbours of a damaged entry of the index are read without it. */
  async function storedChunks(): Promise<StoredChunk[]> {
    const left = chunksPerBevy - Number(cursor % BigInt(chunksPerBevy))
    const most = count - cursor < BigInt(left) ? Number(count - cursor) : left
    try {
      return await stream!.chunks(cursor, most)
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

  async function checkBlockHashes(slot: number, content: Bytes, used: Bytes): Promise<void> {
    for (const { kind, volume, member, bytes } of bevy!.segments) {
      const { node, size: length } = DIGESTS[kind]
      const known = kindOf(kind)
      const stated = bytes.subarray(slot * length, (slot + 1) * length)
      known.chunks++
      // Of a last chunk that is short, some writers hash what is padded, others what is there.
      if (digestOfChunk(node, content).equals(stated)) continue
      if (used.length < chunkSize && hash(node, used, 'buffer').equals(stated)) continue
      known.wrong++
      if (known.wrong > MOST_TOLD) continue
      const by = subjectOf(volume, member)
      await bad(`block hash ${DIGESTS[kind].datatype}`, subjectOf(bevy!.volume, bevy!.member), {
        detail:
          stated.length < length ? `chunk ${slot} has none in ${by}` : `chunk ${slot} is not what ${by} says`,
        ...(await placeOf()),
      })
    }
  }

  function digestOfChunk(node: string, content: Bytes): Buffer {
    if (content.length === chunkSize) return hash(node, content, 'buffer')
    return createHash(node)
      .update(content)
      .update(Buffer.alloc(chunkSize - content.length))
      .digest()
  }

  async function endBevy(): Promise<void> {
    const { volume, member, crc, length } = bevy!
    ahead = []
    // Chunks out of order, or bytes that belong to none: then the member is read as it stands.
    if (length === member.size && crc === member.crc) await tellCrc(context, volume, member, crc)
    else if (member.crc !== undefined) await readThrough(context, volume, member)
    bevy = undefined
  }

  async function feed(offset: bigint, length: bigint, take: (bytes: Bytes) => void): Promise<boolean> {
    let whole = true
    const end = offset + length
    for (let at = offset; at < end; ) {
      const number = at / chunkBytes
      const within = Number(at % chunkBytes)
      const left = end - at
      const wanted = left < chunkBytes - BigInt(within) ? Number(left) : chunkSize - within
      while (cursor <= number && cursor < count) await advance()
      const content = last?.number === number ? last.content : await again(number)
      const piece = content?.subarray(within, within + wanted)
      if (piece?.length === wanted) take(piece)
      else whole = false
      at += BigInt(wanted)
    }
    return whole
  }

  /** A chunk that was passed over before. */
  async function again(number: bigint): Promise<Bytes | undefined> {
    stream ??= openImageStream(home, urn, volumes)
    const start = number * chunkBytes
    const left = size - start
    try {
      const content = await stream.read(start, left < chunkBytes ? Number(left) : chunkSize)
      last = { number, content }
      return content
    } catch (error) {
      damageOf(error)
      return undefined
    }
  }

  async function finish(): Promise<void> {
    while (cursor < count) await advance()
    stream = undefined
    last = undefined
    if (damaged > MOST_TOLD) await bad('chunks', urn, { detail: `${damaged} of ${count} are damaged` })
    else if (damaged === 0 && missing === 0)
      await report({ outcome: 'matched', property: 'chunks', subject: urn, detail: `${count} decode` })
    for (const kind of ALGORITHMS) {
      const known = kinds.get(kind)
      if (!known) continue
      const property = `block hashes ${DIGESTS[kind].datatype}`
      const detail = `${known.wrong} of ${known.chunks} differ`
      if (known.wrong > 0) await bad(property, urn, { detail })
      else if (known.bevies !== bevies && known.bevies > 0)
        await bad(property, urn, { detail: `only ${known.bevies} of ${bevies} bevies have them` })
      else await report({ outcome: 'matched', property, subject: urn, detail: `of ${known.chunks} chunks` })
    }
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
      return ALGORITHMS.filter((kind) => (kinds.get(kind)?.bevies ?? 0) > 0)
    },
    blockHashSum(kind, algorithm) {
      const known = kinds.get(kind)
      return known && known.bevies === bevies && missing === 0 ? known.sums.digest(algorithm) : undefined
    },
  }
}
