import { decompress } from '../codecs/codec.js'
import type { Bytes } from '../formats/byte-source.js'
import type { DataFrame } from './frame.js'
import { FrameError } from './frame-error.js'
import { payloadCrc } from './header.js'

/**
 * The bytes that a DATA frame covers: decoded, checked against its CRC where it carries one, and freed of
 * padding. A view of the payload where that is stored raw.
 * @param chunkSize of the stream, what a padded chunk decodes to; undefined where STREAM gives none
 * @throws {FrameError} with the address of the evidence when the payload is damaged
 */
export function chunkContent(frame: DataFrame, chunkSize: number | undefined): Bytes {
  checkCrc(frame)
  const length = Number(frame.length)
  if (frame.codec === 'none') return frame.payload.subarray(0, length)
  const size = frame.padded ? chunkSize : length
  if (size === undefined || size < length)
    throw new FrameError('a padded chunk in a stream without a fitting chunkSize', frame.offset)
  try {
    return decompress(frame.codec, frame.payload, size).subarray(0, length)
  } catch (error) {
    throw new FrameError(`${frame.codec} chunk: ${(error as Error).message}`, frame.offset)
  }
}

/** @throws {FrameError} with the address of the evidence when a payload is not what its sender summed */
export function checkCrc(frame: DataFrame): void {
  if (frame.crc !== undefined && payloadCrc(frame.payload) !== frame.crc)
    throw new FrameError('payload CRC does not match', frame.offset)
}
