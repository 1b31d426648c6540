import { createHash } from 'node:crypto'
import { type Run, subtractRuns } from '../address-space.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { max, min } from '../min-max.js'
import { type BlockHashes, sha512, sumsOf } from './block-hashes.js'
import { type Checkpoint, mapCheckpoints } from './checkpoint.js'
import { aff4, digestLiteral, iri, long } from './lexicon.js'
import { encodeIdx, idxUrn, MAP_ENTRY_SIZE, type MapEntry, mapUrn, symbolicUrn, targetFirst } from './map.js'
import { createMapEntries, entryRuns, sortEntries } from './map-entries.js'
import type { SymbolicContent } from './symbolic.js'
import type { Graph } from './turtle.js'
import { MAP_STATEMENTS, STATEMENT_BYTES, type VolumeParts, type Written } from './volume-parts.js'
import { memberOverhead } from './zip/writer.js'

export interface MapOptions {
  readonly urn?: string
  /** URN of the image that this map is the data of; its types are the caller's. */
  readonly image?: string
}

/** A map that is being written. What it doesn't cover reads as zeros. */
export interface MapWriter {
  readonly urn: string
  /** Where the last entry ends: the size of the map. */
  readonly size: bigint
  readonly entryCount: number
  /** Adds a range, in any order; neighbours are joined. */
  add(entry: MapEntry): void
  addSymbolic(offset: bigint, length: bigint, content: SymbolicContent): void
  /** Adds a symbolic range wherever `runs` reach what no entry covers. */
  cover(runs: Iterable<Run>, content: SymbolicContent): void
  /** The ranges covered so far, ascending, touching ones joined. */
  runs(): Run[]
  /**
   * Of entries that overlap keeps the one that begins first, and cuts the other.
   * @returns the ranges that were claimed twice
   */
  settleOverlaps(): Run[]
  /**
   * Closes the streams it depends on and writes the map. May be called again after a failed write.
   * @throws {FormatError} naming the address at which entries overlap
   */
  close(): Promise<void>
}

/** What the volume and its streams do with a map. */
export interface OpenMap extends MapWriter {
  readonly closed: boolean
  readonly finishBytes: number
  dependOn(stream: { urn: string; hashes: readonly BlockHashes[]; close(): Promise<void> }): void
  checkpoint(): Checkpoint
  /** Forgets what points into `stream` at or behind `from`. @returns the ranges of the map that are lost */
  drop(stream: string, from: bigint): Run[]
}

export function createMapWriter(volume: VolumeParts, options: MapOptions): OpenMap {
  const { urn = volume.freshUrn() } = options
  const { graph, dialect } = volume
  const targets: string[] = []
  const ids = new Map<string, number>()
  const streams: Parameters<OpenMap['dependOn']>[0][] = []
  let entries = createMapEntries()
  let closed = false
  let idxBytes = 0

  volume.declare(urn, 'Map')
  graph.add(urn, aff4('mapGapDefaultStream'), iri(symbolicUrn('zero')))
  if (options.image !== undefined) {
    volume.declare(options.image)
    graph.add(options.image, aff4('dataStream'), iri(urn))
    graph.add(urn, aff4('target'), iri(options.image))
  }
  const encode = (points: Uint8Array) => (dialect.mapEntry === 'target-first' ? targetFirst(points) : points)
  const nextCheckpoint = mapCheckpoints(urn, volume.memberName, () => entries, targets, encode)
  const mapName = volume.memberName(mapUrn(urn))
  const idxName = volume.memberName(idxUrn(urn))

  function idOf(target: string): number {
    let id = ids.get(target)
    if (id === undefined) {
      id = targets.length
      ids.set(target, id)
      targets.push(target)
      idxBytes += Buffer.byteLength(target, 'utf8') + 1
    }
    return id
  }

  function addSymbolic(offset: bigint, length: bigint, content: SymbolicContent): void {
    if (length > 0n) entries.add(offset, length, offset, idOf(symbolicUrn(content)))
  }

  const map: OpenMap = {
    urn,
    get size() {
      return entries.end
    },
    get entryCount() {
      return entries.count
    },
    get closed() {
      return closed
    },
    get finishBytes() {
      if (closed) return 0
      const content = entries.count * MAP_ENTRY_SIZE + idxBytes
      return content + memberOverhead(mapName) + memberOverhead(idxName) + MAP_STATEMENTS * STATEMENT_BYTES
    },
    add({ offset, length, targetOffset, target }) {
      if (length > 0n) entries.add(offset, length, targetOffset, idOf(target))
    },
    addSymbolic,
    cover(runs, content) {
      for (const { start, length } of subtractRuns(runs, map.runs())) addSymbolic(start, length, content)
    },
    runs: () => entryRuns(sortEntries(entries).entries),
    settleOverlaps() {
      const { entries: sorted, cut } = sortEntries(entries)
      entries = sorted
      return cut
    },
    dependOn(stream) {
      streams.push(stream)
      graph.add(urn, aff4('dependentStream'), iri(stream.urn))
    },
    checkpoint: () => nextCheckpoint(),
    drop(stream, from) {
      const id = ids.get(stream)
      const lost: Run[] = []
      const kept = createMapEntries()
      entries = sortEntries(entries).entries
      for (let index = 0; index < entries.count; index++) {
        const entry = entries.at(index)
        const good = entry.targetId === id ? clamp(from - entry.targetOffset, entry.length) : entry.length
        if (good > 0n) kept.add(entry.offset, good, entry.targetOffset, entry.targetId)
        if (good < entry.length) lost.push({ start: entry.offset + good, length: entry.length - good })
      }
      entries = kept
      return lost
    },
    async close() {
      if (closed) return
      for (const stream of streams) await stream.close()
      const { entries: sorted, cut } = sortEntries(entries)
      if (cut[0]) throw new FormatError(`map ${urn}: ranges overlap at 0x${cut[0].start.toString(16)}`)
      const points = sorted.bytes().map(encode)
      const blockHashes = streams.flatMap((stream) => stream.hashes)
      // It is over the hashes of all streams, and those that others have written are not at hand.
      const allOwn = graph.all(urn, aff4('dependentStream')).length === streams.length
      const description = describeMap(graph, {
        urn,
        image: options.image,
        size: entries.end,
        points,
        blockHashes: allOwn ? blockHashes : [],
      })
      const idx = { name: idxName, content: encodeIdx(targets) }
      await volume.writeNamed({ name: mapName, pieces: points }, idx, description)
      closed = true
    },
  }
  return map
}

/** What a map says of itself. @returns takes its idx, once that is written */
function describeMap(
  graph: Graph,
  about: {
    readonly urn: string
    readonly image: string | undefined
    readonly size: bigint
    readonly points: readonly Bytes[]
    readonly blockHashes: readonly BlockHashes[]
  },
): Written {
  const { urn, image, size, points, blockHashes } = about
  const both = createHash('sha512')
  for (const piece of points) both.update(piece)
  const pointHash = both.copy().digest()
  const sums = sumsOf(blockHashes)
  const hashed = (term: string, sum: Buffer) =>
    graph.add(urn, aff4(term), digestLiteral('SHA512', sum.toString('hex')))
  return (idx) => {
    const idxHash = sha512(idx)
    hashed('mapPointHash', pointHash)
    hashed('mapIdxHash', idxHash)
    hashed('mapHash', both.update(idx).digest())
    graph.add(urn, aff4('size'), long(size))
    const sum = sums.length > 0 ? sha512(...sums, pointHash, idxHash) : undefined
    if (sum) hashed('blockMapHash', sum)
    if (image === undefined) return
    graph.add(image, aff4('size'), long(size))
    if (sum) graph.add(image, aff4('hash'), digestLiteral('blockMapHashSHA512', sum.toString('hex')))
  }
}

const clamp = (value: bigint, most: bigint) => max(0n, min(value, most))
