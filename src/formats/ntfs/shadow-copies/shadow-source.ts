import { settleBytes } from '../../../codecs/copy-bytes.js'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { NtfsError } from '../finding.js'
import { OUTSIDE, type StoreBlocks } from './block-list.js'
import { NO_BLOCK } from './block-table.js'
import { BLOCK_SIZE } from './metadata-block.js'
import { isUnused, type UnusedBlocks } from './unused-blocks.js'

const PIECE_SIZE = 512
const PIECES = BLOCK_SIZE / PIECE_SIZE
/** Places that are none: of bytes that read as zero, of bytes whose place makes no sense, and not known yet. */
const ZERO = -1
const LOST = -2
const NOWHERE = -3

/** What a shadow copy is read from. */
export interface ShadowParts {
  /** Its own store, then the newer ones in order; the reason in place of one that cannot be read. */
  readonly stores: readonly (StoreBlocks | Error)[]
  /** Blocks that read as zero where no store has them. */
  readonly unused: UnusedBlocks
}

/**
 * A volume as it was when a shadow copy was made.
 * @param volume as it is now
 * @param size of the volume then
 * @param open called with each read
 */
export function shadowSource(
  volume: ByteSource,
  name: string,
  size: bigint,
  open: () => Promise<ShadowParts>,
): ByteSource {
  return {
    name,
    size,
    async read(offset, length, into) {
      const wanted = offset >= size ? 0 : clipLength(length, size - offset)
      if (wanted === 0) return new Uint8Array(0)
      const parts = await open()
      const bytes = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
      // A volume is of 2^46 bytes at most.
      const start = Number(offset)
      for (const stretch of stretches(parts, start, start + wanted)) {
        const part = bytes.subarray(stretch.at - start, stretch.at - start + stretch.length)
        if (stretch.from === ZERO) part.fill(0)
        else await fill(volume, stretch.from, part)
      }
      return bytes
    },
    async close() {},
  }
}

async function fill(volume: ByteSource, from: number, part: Bytes): Promise<void> {
  const read = await volume.read(BigInt(from), part.length, part)
  if (read.length < part.length)
    throw new NtfsError(
      `${volume.name}: the volume ends before data of a shadow copy`,
      BigInt(from + read.length),
    )
  settleBytes(part, read)
}

/** Bytes that follow one another in the copy and on the volume as it is now. */
interface Stretch {
  readonly at: number
  length: number
  /** Offset on the volume; ZERO where they read as that. */
  readonly from: number
}

/**
 * What the bytes from `start` to `end` consist of.
 * @throws when it is not known where some of them lie
 */
function stretches(parts: ShadowParts, start: number, end: number): Stretch[] {
  const found: Stretch[] = []
  const add = (at: number, length: number, from: number) => {
    const last = found.at(-1)
    const follows = last && (last.from === ZERO ? from === ZERO : last.from + last.length === from)
    if (follows) last.length += length
    else found.push({ at, length, from })
  }
  const pieces = new Float64Array(PIECES)
  for (let at = start; at < end; ) {
    const block = Math.floor(at / BLOCK_SIZE)
    const blockStart = block * BLOCK_SIZE
    const stop = Math.min(end, blockStart + BLOCK_SIZE)
    const overlaid = placePieces(parts, block, pieces)
    let whole: number | undefined
    while (at < stop) {
      const within = at - blockStart
      const piece = Math.floor(within / PIECE_SIZE)
      const length = (overlaid ? Math.min(stop, blockStart + (piece + 1) * PIECE_SIZE) : stop) - at
      let from = overlaid ? pieces[piece]! : NOWHERE
      if (from === NOWHERE) {
        whole ??= placeOf(parts, block)
        from = whole
      }
      if (from === LOST) throw lost(at)
      add(at, length, from === ZERO ? ZERO : from + within)
      at += length
    }
  }
  return found
}

/** Says for each piece of a block where the block begins that has it, NOWHERE where no overlay does. */
function placePieces({ stores }: ShadowParts, block: number, pieces: Float64Array): boolean {
  const { overlays } = soundStore(stores[0]!)
  if (overlays.size === 0) return false
  let overlaid = false
  overlays.pieces(block, (place, bits) => {
    if (!overlaid) pieces.fill(NOWHERE)
    overlaid = true
    for (let piece = 0; piece < PIECES; piece++)
      if ((bits >>> piece) & 1) pieces[piece] = place === OUTSIDE ? LOST : place * BLOCK_SIZE
  })
  return overlaid
}

/** Where a block of the copy begins on the volume as it is now, overlays aside; or ZERO. */
function placeOf({ stores, unused }: ShadowParts, block: number): number {
  let at = block
  for (const one of stores) {
    const { stored, moved } = soundStore(one)
    const place = stored.get(at)
    if (place === OUTSIDE) return LOST
    if (place !== NO_BLOCK) return place * BLOCK_SIZE
    const target = moved.get(at)
    if (target === OUTSIDE) return LOST
    if (target !== NO_BLOCK) at = target
  }
  return at === block && isUnused(unused, block) ? ZERO : at * BLOCK_SIZE
}

const lost = (at: number) =>
  new NtfsError('the block list of the shadow copy places this outside the volume', BigInt(at))

function soundStore(store: StoreBlocks | Error): StoreBlocks {
  if (store instanceof Error) throw store
  return store
}
