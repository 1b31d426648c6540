import { pathUrn } from '../../formats/aff4/names.js'
import { fillSymbolic } from '../../formats/aff4/symbolic.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import type { Bytes } from '../../formats/byte-source.js'
import { parseAddress } from '../../frames/address.js'
import { chunkContent } from '../../frames/chunk-content.js'
import { isRun } from '../../frames/chunk-run.js'
import type { DataFrame, FillFrame, StreamBody } from '../../frames/frame.js'

/** Files up to this size are one member of the volume, deflated, that any unzip takes out. */
const LARGEST = 1 << 20

type Piece = DataFrame | FillFrame

/** A file that is collected in memory for as long as it may become a member of its own. */
export interface SmallFile {
  /** Keeps a copy of the frame. @returns false when the file has become too large, or has a hole that isn't zero */
  take(frame: Piece): boolean
  /** What was taken, in order, for whoever must store it otherwise. */
  readonly pieces: readonly Piece[]
  /** What was taken, as bytes. */
  content(): Bytes
  /** Writes the member. */
  write(): Promise<{ urn: string; size: bigint }>
}

/**
 * @param urn of the member; without one it is made from the path
 * @returns undefined for a stream that is known not to be a small file
 */
export function openSmallFile(volume: VolumeWriter, body: StreamBody, urn?: string): SmallFile | undefined {
  if (body.kind !== 'image' || body.category?.startsWith('disk:')) return undefined
  if (body.size !== undefined && parseAddress(body.size) > BigInt(LARGEST)) return undefined
  const pieces: Piece[] = []
  let size = 0n

  function content(): Buffer {
    const bytes = Buffer.alloc(Number(size))
    for (const piece of pieces) {
      const place = bytes.subarray(Number(piece.offset), Number(piece.offset + piece.length))
      if (piece.type === 'data') place.set(chunkContent(piece, body.chunkSize))
      else fillSymbolic('zero', piece.offset, place)
    }
    return bytes
  }

  function byPath(): string {
    const named = pathUrn(body.name, volume.urn)
    return named && !volume.has(named) ? named : volume.freshUrn()
  }

  return {
    pieces,
    content,
    take(frame) {
      if (frame.offset !== size || size + frame.length > BigInt(LARGEST)) return false
      if (frame.type === 'fill' && frame.fill !== 'zero') return false
      if (frame.type === 'data' && isRun(frame)) return false
      pieces.push(frame.type === 'data' ? { ...frame, payload: Uint8Array.from(frame.payload) } : frame)
      size += frame.length
      return true
    },
    async write() {
      const member = urn ?? byPath()
      await volume.segment(member, content())
      return { urn: member, size }
    },
  }
}
