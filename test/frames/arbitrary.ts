import fc from 'fast-check'
import { formatAddress } from '../../src/frames/address.js'
import { CODECS, type Frame, type Json, type StreamBody } from '../../src/frames/frame.js'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const time = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const address = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(formatAddress)
/** Keys that no reader knows: they are kept and forwarded. */
const unknown = fc.dictionary(
  fc.string({ maxLength: 5 }).map((key) => `x-${key}`),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 2 },
)
const program = fc
  .record({ name, version: text, arguments: fc.array(text, { maxLength: 3 }) })
  .chain((known) => unknown.map((more) => ({ ...more, ...known })))

/** A frame of an open stream, its place not yet decided: `gap` bytes behind the one before. */
type Loose = { frame: Frame; gap: bigint }

const range = fc.oneof(
  fc.bigInt({ min: 1n, max: 5n }),
  fc.constant(4096n),
  fc.bigInt({ min: 1n, max: 1n << 58n }),
)
const bytes = fc.uint8Array({ minLength: 1, maxLength: 80 }).map((array) => Buffer.from(array))
const common = { stream: 1, offset: 0n }

const raw = fc.record({ payload: bytes, padding: fc.integer({ min: 0, max: 9 }), time }).map(
  ({ payload, padding, time }): Frame => ({
    type: 'data',
    ...common,
    time,
    codec: 'none',
    padded: padding > 0,
    length: BigInt(payload.length),
    payload: padding > 0 ? Buffer.concat([payload, Buffer.alloc(padding)]) : payload,
  }),
)
const packed = fc
  .record({
    payload: bytes,
    codec: fc.constantFrom(...CODECS.slice(1)),
    padded: fc.boolean(),
    length: fc.bigInt({ min: 1n, max: 16n << 20n }),
    time,
  })
  .map((given): Frame => ({ type: 'data', ...common, ...given }))
const fill = fc.oneof(
  fc
    .record({
      fill: fc.constantFrom('zero' as const, 'unreadable' as const, 'unknown' as const),
      length: range,
      time,
    })
    .map((given): Frame => ({ type: 'fill', ...common, ...given })),
  fc
    .record({ value: fc.integer({ min: 0, max: 255 }), length: range, time })
    .map((given): Frame => ({ type: 'fill', ...common, fill: 'byte', ...given })),
)
const meta = fc.record({ turtle: text, time }).map((given): Frame => ({ type: 'meta', stream: 1, ...given }))
const note = fc
  .record({
    known: fc.record(
      {
        level: fc.constantFrom('info' as const, 'warning' as const, 'error' as const),
        program: text,
        message: text,
        offset: address,
        length: address,
      },
      { requiredKeys: ['level', 'program', 'message'] },
    ),
    more: unknown,
    time,
  })
  .map(({ known, more, time }): Frame => ({ type: 'note', stream: 1, time, body: { ...more, ...known } }))
const digest = fc
  .record({ algorithm: text, value: text, covers: fc.constantFrom('linear' as const, 'ranges' as const) })
  .map((body): Frame => ({ type: 'digest', stream: 1, time: 0n, body }))

const inside: fc.Arbitrary<Loose[]> = fc.array(
  fc.record({
    frame: fc.oneof(
      { arbitrary: raw, weight: 3 },
      { arbitrary: packed, weight: 2 },
      fill,
      meta,
      note,
      digest,
    ),
    gap: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 1n << 58n })),
  }),
  { maxLength: 8 },
)

const stream = fc
  .record({
    loose: inside,
    body: fc.record(
      {
        name,
        kind: fc.constantFrom('map' as const, 'image' as const),
        nameBytes: text,
        category: text,
        size: address,
        ranges: fc.array(fc.tuple(address, address), { maxLength: 3 }),
        ordered: fc.boolean(),
        chunkSize: fc.integer({ min: 1, max: 16 << 20 }),
        completes: fc.array(text, { minLength: 1, maxLength: 3 }),
        properties: fc.dictionary(
          fc.string({ maxLength: 4 }),
          fc.jsonValue({ maxDepth: 1 }),
        ) as fc.Arbitrary<Json>,
      },
      { requiredKeys: ['name', 'kind'] },
    ),
    more: unknown,
    status: fc.constantFrom('complete' as const, 'interrupted' as const, 'failed' as const),
    error: fc.option(text, { nil: undefined }),
  })
  .map(({ loose, body, more, status, error }): Frame[] => {
    const frames = place(loose, body.kind === 'map')
    const covered = frames.some(({ type }) => type === 'data' || type === 'fill')
    const bytes = frames.reduce((sum, frame) => sum + (frame.type === 'data' ? frame.length : 0n), 0n)
    const close: Frame = {
      type: 'close',
      stream: 1,
      time: 0n,
      body: {
        status: body.kind === 'map' && !covered && status === 'complete' ? 'failed' : status,
        ...(error !== undefined && { error }),
        bytes: Number(bytes),
      },
    }
    return [
      { type: 'stream', stream: 1, time: 0n, body: { ...more, ...body } as StreamBody },
      ...frames,
      close,
    ]
  })

function place(loose: Loose[], gaps: boolean): Frame[] {
  let next = 0n
  return loose.map(({ frame, gap }) => {
    if (frame.type !== 'data' && frame.type !== 'fill') return frame
    const offset = gaps ? next + gap : next
    next = offset + frame.length
    return { ...frame, offset }
  })
}

const aside = fc.oneof(meta, note).map((frame): Frame[] => [{ ...frame, stream: 0 }])

/** Any transmission that the format allows, with small payloads. Its END says what an encoder will count. */
export const transmission: fc.Arbitrary<Frame[]> = fc
  .record({
    start: fc
      .record(
        { programs: fc.array(program, { maxLength: 2 }), host: text, started: text },
        { requiredKeys: ['programs'] },
      )
      .chain((known) => unknown.map((more) => ({ ...more, format: 1, ...known }))),
    parts: fc.array(fc.oneof({ arbitrary: stream, weight: 2 }, aside), { maxLength: 4 }),
    status: fc.constantFrom(
      'complete' as const,
      'interrupted' as const,
      'failed' as const,
      'truncated' as const,
    ),
    error: fc.option(text, { nil: undefined }),
  })
  .map(({ start, parts, status, error }): Frame[] => {
    let id = 0
    const numbered = parts.flatMap((part) => {
      if (part[0]!.type === 'stream') id++
      return part.map((frame) => (frame.stream === 0 ? frame : { ...frame, stream: id }))
    })
    return [
      { type: 'start', stream: 0, time: 0n, body: start },
      ...numbered,
      {
        type: 'end',
        stream: 0,
        time: 0n,
        body: {
          status: id === 0 && status === 'complete' ? 'failed' : status,
          ...(error !== undefined && { error }),
          frames: 0,
          bytes: 0,
        },
      },
    ]
  })
