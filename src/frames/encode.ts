import type { Bytes } from '../formats/byte-source.js'
import { CODECS, FILLS, type Frame } from './frame.js'
import { encodeHeader, FLAG_CRC, FLAG_PADDED, HEADER_SIZE, MAX_PAYLOAD, payloadCrc, TYPES } from './header.js'
import { encodePayload } from './payloads.js'

export interface Encoder {
  /**
   * The batch as pieces to be written in order. Pieces are views: of the frames' payloads, and of a block
   * that holds this batch's headers. An END whose counts no longer hold is given this side's own.
   * @throws {RangeError} when a payload exceeds 16 MiB
   */
  encode(batch: readonly Frame[]): Bytes[]
}

/**
 * Frames to bytes. A frame with its `raw` form goes out as it came in, and neighbours in memory go out as
 * one piece. Control payloads, which are small and steer everything, always have their CRC-32.
 * @param crc give the payloads of DATA theirs too
 */
export function createEncoder(crc = false): Encoder {
  let frames = 0
  let bytes = 0
  return {
    encode(batch) {
      const pieces: Bytes[] = []
      const fresh = batch.filter((frame) => frame.type === 'end' || !isVerbatim(frame, crc)).length
      const headers = Buffer.allocUnsafe(fresh * HEADER_SIZE)
      let headersUsed = 0
      for (const frame of batch) {
        if (frame.type === 'start') frames = bytes = 0
        const recount = frame.type === 'end' && (frame.body.frames !== frames || frame.body.bytes !== bytes)
        if (isVerbatim(frame, crc) && !recount) {
          append(pieces, frame.raw!)
          bytes += frame.raw!.length - HEADER_SIZE
        } else {
          const sent = recount ? { ...frame, body: { ...frame.body, frames, bytes } } : frame
          const payload = encodePayload(sent)
          writeHeader(sent, payload, crc, headers, headersUsed)
          append(pieces, headers.subarray(headersUsed, headersUsed + HEADER_SIZE))
          headersUsed += HEADER_SIZE
          if (payload.length > 0) append(pieces, payload)
          bytes += payload.length
        }
        frames++
      }
      return pieces
    },
  }
}

function isVerbatim(frame: Frame, crc: boolean): boolean {
  return frame.raw !== undefined && !(crc && (frame.raw[6]! & FLAG_CRC) === 0)
}

function append(pieces: Bytes[], piece: Bytes): void {
  const last = pieces.at(-1)
  if (last && last.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset)
    pieces[pieces.length - 1] = Buffer.from(
      piece.buffer as ArrayBuffer,
      last.byteOffset,
      last.length + piece.length,
    )
  else pieces.push(piece)
}

function writeHeader(frame: Frame, payload: Bytes, crc: boolean, into: Buffer, at: number): void {
  if (payload.length > MAX_PAYLOAD)
    throw new RangeError(`${frame.type}: a payload of ${payload.length} bytes exceeds 16 MiB`)
  const ranged = frame.type === 'data' || frame.type === 'fill'
  const carries = crc || frame.type !== 'data' || frame.crc !== undefined
  encodeHeader(
    {
      type: TYPES.indexOf(frame.type) + 1,
      codec:
        frame.type === 'data'
          ? CODECS.indexOf(frame.codec)
          : frame.type === 'fill'
            ? FILLS.indexOf(frame.fill)
            : 0,
      flags: (carries ? FLAG_CRC : 0) | (frame.type === 'data' && frame.padded ? FLAG_PADDED : 0),
      stream: frame.stream,
      payloadLength: payload.length,
      offset: ranged ? frame.offset : 0n,
      length: ranged ? frame.length : 0n,
      time: frame.time,
      payloadCrc: carries ? ((frame.type === 'data' ? frame.crc : undefined) ?? payloadCrc(payload)) : 0,
    },
    into,
    at,
  )
}
