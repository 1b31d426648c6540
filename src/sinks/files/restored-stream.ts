import type { Log } from '../../cli/messages.js'
import { showSize } from '../../cli/sizes.js'
import type { Tree, TreeFacts } from '../../cli/tree.js'
import { partialOf } from '../../cli/tree-path.js'
import { isZero } from '../../codecs/zero.js'
import { fillSymbolic } from '../../formats/aff4/symbolic.js'
import type { Bytes } from '../../formats/byte-source.js'
import { clipLength } from '../../formats/clip-length.js'
import { FormatError } from '../../formats/format-error.js'
import { max } from '../../formats/min-max.js'
import { chunkContent } from '../../frames/chunk-content.js'
import type { DataFrame, FillFrame, MetaFrame, StreamBody } from '../../frames/frame.js'
import { announcedSize, hasBytes } from '../../frames/streams.js'
import { createLinearDigest, type LinearDigest } from '../linear-digest.js'
import { addFacts, NO_FACTS, readFacts } from './restored-facts.js'
import type { SafePath } from './safe-path.js'

/** One stream on its way to its place in a tree. All that fails throws the operating system's error. */
export interface RestoredStream {
  data(frame: DataFrame): void
  fill(frame: FillFrame): void
  meta(frame: MetaFrame): void
  /** @param complete else the file stays under its partial name */
  end(complete: boolean): void
}

export interface Place {
  readonly tree: Tree
  readonly path: SafePath
  readonly log: Log
  /** Tells transmissions apart: the numbers of their files may be the same. */
  readonly transmission: number
}

export const openRestored = (place: Place, body: StreamBody): RestoredStream =>
  hasBytes(body) ? openFile(place, body) : openWithoutBytes(place, body)

/** Zeros become holes in blocks of this size. */
const SPARSE_BLOCK = 64 << 10
const PIECE = 1 << 20

function openFile(place: Place, body: StreamBody): RestoredStream {
  const file = place.tree.file(place.path)
  const { facts, meta } = collectFacts(place)
  let digest: LinearDigest | undefined
  let end = 0n
  let lost = 0n

  /** Of a file with several names the bytes are summed up, to know it again. */
  function watched(): LinearDigest | undefined {
    if (end === 0n && facts().identity !== undefined) digest ??= createLinearDigest()
    return digest
  }

  function reach(offset: bigint, length: bigint): void {
    if (offset + length > end) end = offset + length
  }

  function write(offset: bigint, bytes: Bytes): void {
    for (let at = 0; at < bytes.length; at += SPARSE_BLOCK) {
      const piece = bytes.subarray(at, at + SPARSE_BLOCK)
      if (!isZero(piece)) file.writeAt(offset + BigInt(at), piece)
    }
  }

  return {
    meta,
    data(frame) {
      const content = chunkContent(frame, body.chunkSize)
      watched()?.data(frame.offset, content)
      if (content.length >= SPARSE_BLOCK && !holdsZeros(content)) file.writeAt(frame.offset, content)
      else write(frame.offset, content)
      reach(frame.offset, frame.length)
    },
    fill({ offset, length, fill, value }) {
      const content = fill === 'byte' ? (value ?? 0) : fill
      watched()?.fill(offset, length, content)
      if (content === 'unreadable' || content === 'unknown') lost += length
      if (content !== 'zero' && content !== 0)
        for (let at = offset; at < offset + length; ) {
          const left = offset + length - at
          const piece = Buffer.allocUnsafe(clipLength(PIECE, left))
          fillSymbolic(content, at, piece)
          file.writeAt(at, piece)
          at += BigInt(piece.length)
        }
      reach(offset, length)
    },
    end(complete) {
      if (lost > 0n)
        place.log.warn(`${body.name}: ${showSize(lost)} unreadable or unknown: text stands in their place`)
      if (!complete) return file.leave(end)
      const size = announcedSize(body)
      watched()
      file.commit(max(size, end), facts(), size > end ? undefined : digest?.value())
    },
  }
}

/** Whether some block of the bytes is all zeros. */
function holdsZeros(bytes: Bytes): boolean {
  for (let at = 0; at < bytes.length; at += SPARSE_BLOCK)
    if (isZero(bytes.subarray(at, at + SPARSE_BLOCK))) return true
  return false
}

function openWithoutBytes(place: Place, body: StreamBody): RestoredStream {
  const { facts, meta } = collectFacts(place)
  const { target, targetBytes } = body.properties ?? {}
  const leadsTo =
    typeof targetBytes === 'string' ? Buffer.from(targetBytes, 'base64') : Buffer.from(String(target ?? ''))
  return {
    data() {},
    fill() {},
    meta,
    end(complete) {
      if (body.kind === 'folder') place.tree.folder(complete ? place.path : partialOf(place.path), facts())
      else if (complete) place.tree.link(place.path, leadsTo, facts())
    },
  }
}

function collectFacts({ log, transmission }: Place) {
  let known: TreeFacts = NO_FACTS
  return {
    facts: () => known,
    meta({ turtle }: MetaFrame) {
      try {
        const { identity, ...facts } = readFacts(turtle)
        known = addFacts(known, {
          ...facts,
          ...(identity !== undefined && { identity: `${transmission} ${identity}` }),
        })
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
        log.warn(error.message)
      }
    },
  }
}
