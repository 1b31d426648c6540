import type { Bytes } from '../formats/byte-source.js'
import { parseAddress } from './address.js'
import {
  type CloseBody,
  CODECS,
  type DigestBody,
  type EndBody,
  FILLS,
  type Frame,
  type Json,
  type NoteBody,
  type StartBody,
  type StreamBody,
} from './frame.js'
import { FrameError } from './frame-error.js'
import { FLAG_CRC, FLAG_PADDED, HEADER_SIZE, type Header, MAX_PAYLOAD, payloadCrc, TYPES } from './header.js'

/** The format of frames that this code speaks: START's `format`. */
export const FORMAT = 1

/** Addresses have 64 bits. */
const ADDRESS_LIMIT = 1n << 64n

/** How deep a JSON payload may nest: what is deeper could be read, but not be written again. */
const DEEPEST = 64

/**
 * Judges the fields of a header before anything is allocated for its payload.
 * @throws {FrameError} at `at`, the header's offset in the input
 */
export function checkHeader(header: Header, at: bigint): void {
  const type = TYPES[header.type - 1]
  const refuse = (why: string) => {
    throw new FrameError(`${type ?? 'frame'}: ${why}`, at)
  }
  if (!type) refuse(`type ${header.type} is not known`)
  const known = type === 'data' ? FLAG_CRC | FLAG_PADDED : FLAG_CRC
  if (header.flags & ~known) refuse(`flags 0x${header.flags.toString(16)} are not known`)
  if (header.payloadLength > MAX_PAYLOAD) refuse(`a payload of ${header.payloadLength} bytes exceeds 16 MiB`)
  if (type === 'data') {
    if (!CODECS[header.codec]) refuse(`codec ${header.codec} is not known`)
    if (header.length === 0n || header.payloadLength === 0) refuse('no bytes')
    const whole = BigInt(header.payloadLength)
    const padded = (header.flags & FLAG_PADDED) !== 0
    if (header.codec === 0 && (padded ? whole <= header.length : whole !== header.length))
      refuse(`${header.payloadLength} stored bytes for a length of ${header.length}`)
    if (header.length > BigInt(MAX_PAYLOAD)) refuse(`a length of ${header.length} exceeds 16 MiB`)
  } else if (type === 'fill') {
    if (!FILLS[header.codec]) refuse(`kind ${header.codec} is not known`)
    if (header.length === 0n) refuse('no bytes')
    if (header.payloadLength !== (FILLS[header.codec] === 'byte' ? 1 : 0))
      refuse(`${header.payloadLength} bytes of payload`)
  } else if (header.codec !== 0) refuse(`codec ${header.codec} in a control frame`)
  if ((type === 'data' || type === 'fill') && header.offset + header.length > ADDRESS_LIMIT)
    refuse('the range passes the end of the address space')
  const ofTransmission = type === 'start' || type === 'end'
  const eitherWay = type === 'meta' || type === 'note'
  if (!eitherWay && (header.stream === 0) !== ofTransmission) refuse(`stream id ${header.stream}`)
}

/**
 * Builds the frame of a header and its payload. DATA keeps a view, whose CRC is checked by who consumes it;
 * control payloads are consumed here.
 * @param raw header and payload, adjacent
 * @throws {FrameError} at `at` when a control payload is not what its type or its CRC demands
 */
export function decodePayload(header: Header, raw: Buffer, at: bigint): Frame {
  const payload = raw.subarray(HEADER_SIZE)
  const { stream, time, offset, length } = header
  const type = TYPES[header.type - 1]!
  if (type !== 'data' && header.flags & FLAG_CRC && payloadCrc(payload) !== header.payloadCrc)
    throw new FrameError(`${type}: payload does not match its CRC`, at)
  switch (type) {
    case 'data': {
      const codec = CODECS[header.codec]!
      const padded = (header.flags & FLAG_PADDED) !== 0
      return header.flags & FLAG_CRC
        ? { type, stream, time, offset, length, codec, padded, payload, raw, crc: header.payloadCrc }
        : { type, stream, time, offset, length, codec, padded, payload, raw }
    }
    case 'fill': {
      const fill = FILLS[header.codec]!
      return fill === 'byte'
        ? { type, stream, time, offset, length, fill, value: payload[0]!, raw }
        : { type, stream, time, offset, length, fill, raw }
    }
    case 'meta':
      return { type, stream, time, turtle: utf8(payload, type, at), raw }
    case 'start':
      return { type, stream, time, body: checked(payload, type, at, isStart), raw }
    case 'stream':
      return { type, stream, time, body: checked(payload, type, at, isStream), raw }
    case 'digest':
      return { type, stream, time, body: checked(payload, type, at, isDigest), raw }
    case 'note':
      return { type, stream, time, body: checked(payload, type, at, isNote), raw }
    case 'close':
      return { type, stream, time, body: checked(payload, type, at, isClose), raw }
    case 'end':
      return { type, stream, time, body: checked(payload, type, at, isEnd), raw }
  }
}

/** The stored payload of a frame that has no `raw` form. */
export function encodePayload(frame: Frame): Bytes {
  switch (frame.type) {
    case 'data':
      return frame.payload
    case 'fill':
      return frame.fill === 'byte' ? Uint8Array.of(frame.value ?? 0) : new Uint8Array(0)
    case 'meta':
      return Buffer.from(frame.turtle, 'utf8')
    default:
      return Buffer.from(JSON.stringify(frame.body), 'utf8')
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(payload: Buffer, type: string, at: bigint): string {
  try {
    // TextDecoder refuses views of shared memory, and control payloads are small.
    return decoder.decode(new Uint8Array(payload))
  } catch {
    throw new FrameError(`${type}: payload is not UTF-8`, at)
  }
}

function checked<T extends Json>(
  payload: Buffer,
  type: string,
  at: bigint,
  accept: (body: Json) => body is T,
): T {
  let body: unknown
  try {
    body = JSON.parse(utf8(payload, type, at))
  } catch (error) {
    if (error instanceof FrameError) throw error
    throw new FrameError(`${type}: payload is not JSON`, at)
  }
  if (!nestsWithin(body, DEEPEST)) throw new FrameError(`${type}: payload nests too deep`, at)
  if (!isObject(body) || !accept(body))
    throw new FrameError(`${type}: payload lacks what this frame must say`, at)
  return body
}

function nestsWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((inner) => nestsWithin(inner, levels - 1))
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isString = (value: unknown): value is string => typeof value === 'string'
const isOptional = (value: unknown, is: (value: unknown) => boolean) => value === undefined || is(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isAddress = (value: unknown) => {
  try {
    parseAddress(value)
    return true
  } catch {
    return false
  }
}

const isProgram = (value: unknown) =>
  isObject(value) &&
  isString(value.name) &&
  isString(value.version) &&
  Array.isArray(value.arguments) &&
  value.arguments.every(isString)
const isStart = (body: Json): body is StartBody =>
  body.format === FORMAT &&
  isOptional(body.host, isString) &&
  isOptional(body.started, isString) &&
  isOptional(body.completes, isString) &&
  Array.isArray(body.programs) &&
  body.programs.every(isProgram)
const isChunkSize = (value: unknown) => isCount(value) && value > 0 && value <= MAX_PAYLOAD
const isRange = (value: unknown) => Array.isArray(value) && value.length === 2 && value.every(isAddress)
const isStream = (body: Json): body is StreamBody =>
  isString(body.name) &&
  body.name !== '' &&
  isOptional(body.nameBytes, isString) &&
  ['map', 'image', 'folder', 'link'].includes(body.kind as string) &&
  isOptional(body.category, isString) &&
  isOptional(body.size, isAddress) &&
  isOptional(body.ordered, (value) => typeof value === 'boolean') &&
  isOptional(body.chunkSize, isChunkSize) &&
  isOptional(body.ranges, (value) => Array.isArray(value) && value.every(isRange)) &&
  isOptional(body.properties, isObject) &&
  isOptional(body.completes, (value) => Array.isArray(value) && value.length > 0 && value.every(isString)) &&
  isOptional(body.held, isAddress)
const isDigest = (body: Json): body is DigestBody =>
  isString(body.algorithm) && isString(body.value) && (body.covers === 'linear' || body.covers === 'ranges')
const isNote = (body: Json): body is NoteBody =>
  ['info', 'warning', 'error'].includes(body.level as string) &&
  isString(body.program) &&
  isString(body.message) &&
  isOptional(body.offset, isAddress) &&
  isOptional(body.length, isAddress)
/** Bytes of address space may pass 2^53; the number then is as near as a double comes. */
const isAmount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0
const isClose = (body: Json): body is CloseBody =>
  ['complete', 'interrupted', 'failed'].includes(body.status as string) &&
  isOptional(body.error, isString) &&
  isAmount(body.bytes)
const isEnd = (body: Json): body is EndBody =>
  ['complete', 'interrupted', 'failed', 'truncated'].includes(body.status as string) &&
  isOptional(body.error, isString) &&
  isCount(body.frames) &&
  isCount(body.bytes)
