import type { Bytes } from '../byte-source.js'
import { encodeIdx, MAP_ENTRY_SIZE, writeMapEntry } from './map.js'
import type { MapEntries } from './map-entries.js'
import { INFORMATION_TURTLE } from './names.js'
import type { SettledFacts } from './settled-facts.js'
import type { Graph, Statement } from './turtle.js'
import type { NewMember } from './zip/writer.js'

/**
 * Checkpoints stand before each bevy and say what has become known since the one before, so that a volume whose
 * end was never written can be put together from its local headers: statements in
 * `information.turtle/checkpoint/00000000`, entries of a map in `<map>/checkpoint/00000000.map`, further lines
 * of its `idx` in `<map>/checkpoint/00000000.idx`. The directory doesn't list them.
 */
export interface Checkpoint {
  readonly members: readonly NewMember[]
  /** The members were written: the next checkpoint goes on from here. */
  commit(): void
}

const NOTHING: Checkpoint = { members: [], commit() {} }

const numbered = (folder: string, number: number, suffix: string) =>
  `${folder}/checkpoint/${String(number).padStart(8, '0')}${suffix}`

export function graphCheckpoints(
  graph: Graph,
  encode: (statements: Iterable<Statement>) => Bytes,
  settled?: Pick<SettledFacts, 'pieces'>,
): () => Checkpoint {
  let number = 0
  let settledFrom = 0
  // What an older end of the volume says already is not said again.
  let from = graph.mark()
  return () => {
    const to = graph.mark()
    const settledPieces = settled?.pieces() ?? []
    const settledTo = settledPieces.length
    if (to === from && settledTo === settledFrom) return NOTHING
    const pieces = [encode(graph.since(from)), ...settledPieces.slice(settledFrom)]
    return {
      members: [{ name: numbered(INFORMATION_TURTLE, number, ''), pieces, listed: false }],
      commit() {
        number++
        from = to
        settledFrom = settledTo
      },
    }
  }
}

export function mapCheckpoints(
  map: string,
  memberName: (urn: string) => string,
  entries: () => MapEntries,
  targets: readonly string[],
  encode: (entries: Bytes) => Bytes,
): () => Checkpoint {
  let number = 0
  let from = 0
  /** Length of the last entry when it was written: it may have grown since. */
  let lastLength = 0n
  let targetsWritten = 0
  const first = entries()
  return () => {
    const list = entries()
    // Entries that were put in order are about to be written as the map itself.
    if (list !== first) return NOTHING
    const to = list.count
    // Copies: entries grow while the checkpoint is written.
    const pieces: Uint8Array[] = list.bytes(from).map((piece) => Uint8Array.from(piece))
    const last = to > 0 ? list.at(to - 1).length : 0n
    if (from > 0) {
      const grown = list.at(from - 1)
      if (grown.length > lastLength) pieces.unshift(remainder(grown, lastLength))
    }
    if (pieces.length === 0) return NOTHING
    const members: NewMember[] = []
    const add = (suffix: string, content: NewMember['pieces']) =>
      members.push({
        name: memberName(numbered(map, number, suffix)),
        pieces: content,
        listed: false,
      })
    const targetCount = targets.length
    if (targetCount > targetsWritten) add('.idx', [encodeIdx(targets.slice(targetsWritten))])
    add('.map', pieces.map(encode))
    return {
      members,
      commit() {
        number++
        from = to
        lastLength = last
        targetsWritten = targetCount
      },
    }
  }
}

function remainder(entry: ReturnType<MapEntries['at']>, done: bigint): Uint8Array {
  const bytes = new Uint8Array(MAP_ENTRY_SIZE)
  writeMapEntry(new DataView(bytes.buffer), 0, {
    offset: entry.offset + done,
    length: entry.length - done,
    targetOffset: entry.targetOffset + done,
    targetId: entry.targetId,
  })
  return bytes
}
