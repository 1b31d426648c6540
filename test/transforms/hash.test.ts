import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { ToolError } from '../../src/cli/exit.js'
import type { Batch, DigestFrame, FillKind, Frame, StreamBody } from '../../src/frames/frame.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { hash } from '../../src/transforms/hash.js'

const GIB = 1n << 30n

const stream = (body: Partial<StreamBody> = {}): Frame => ({
  type: 'stream',
  stream: 1,
  time: 0n,
  body: { name: 'a', kind: 'map', ...body },
})
const data = (offset: bigint, bytes: Uint8Array): Frame => ({
  type: 'data',
  stream: 1,
  time: 0n,
  offset,
  length: BigInt(bytes.length),
  codec: 'none',
  padded: false,
  payload: bytes,
})
const fill = (offset: bigint, length: bigint, kind: FillKind, value?: number): Frame => ({
  type: 'fill',
  stream: 1,
  time: 0n,
  offset,
  length,
  fill: kind,
  ...(value === undefined ? {} : { value }),
})
const close: Frame = { type: 'close', stream: 1, time: 0n, body: { status: 'complete', bytes: 0 } }

async function digestsOf(
  frames: Frame[],
  ...names: Parameters<typeof hash>[0]
): Promise<DigestFrame['body'][]> {
  async function* batches(): AsyncGenerator<Batch> {
    yield* frames.map((frame) => [frame])
  }
  const found: DigestFrame['body'][] = []
  for await (const batch of hash(names)(batches()))
    for (const frame of batch) if (frame.type === 'digest') found.push(frame.body)
  return found
}

/** What a reader sees, byte by byte, from the sentence in pmem-frames(5). */
function reads(kind: FillKind, value: number | undefined, offset: number, length: number): Buffer {
  const text = { unreadable: 'UNREADABLEDATA', unknown: 'UNKNOWN' }[kind as string]
  const bytes = Buffer.alloc(length, kind === 'byte' ? value : 0)
  if (text)
    for (let i = 0; i < length; i++) bytes[i] = text.charCodeAt(((offset + i) % 1048576) % text.length)
  return bytes
}

test('a linear digest is that of the bytes a reader sees', async (t) => {
  const piece = fc.record({
    gap: fc.nat(5000),
    kind: fc.constantFrom(
      'data' as const,
      'zero' as const,
      'unreadable' as const,
      'unknown' as const,
      'byte' as const,
    ),
    length: fc.integer({ min: 1, max: 9000 }),
    value: fc.nat(255),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { minLength: 1, maxLength: 12 }),
      fc.nat(3_000_000),
      async (pieces, base) => {
        const parts: Buffer[] = []
        const frames: Frame[] = [stream()]
        let at = 0
        for (const { gap, kind, length, value } of pieces) {
          const skip = at === 0 ? base : gap
          parts.push(Buffer.alloc(skip))
          at += skip
          const bytes = kind === 'data' ? Buffer.alloc(length, value) : reads(kind, value, at, length)
          frames.push(
            kind === 'data'
              ? data(BigInt(at), bytes)
              : fill(BigInt(at), BigInt(length), kind, kind === 'byte' ? value : undefined),
          )
          parts.push(bytes)
          at += length
        }
        const whole = Buffer.concat(parts)
        t.deepEqual(await digestsOf([...frames, close], 'sha256', 'blake2b512'), [
          { algorithm: 'sha256', covers: 'linear', value: createHash('sha256').update(whole).digest('hex') },
          {
            algorithm: 'blake2b512',
            covers: 'linear',
            value: createHash('blake2b512').update(whole).digest('hex'),
          },
        ])
      },
    ),
    { numRuns: 60 },
  )
})

test('the size of a stream reaches beyond its last byte', async (t) => {
  const [digest] = await digestsOf([stream({ size: '0x1000' }), data(0n, Buffer.from('x')), close], 'md5')
  t.is(digest!.value, createHash('md5').update('x').update(Buffer.alloc(4095)).digest('hex'))
})

for (const announced of [true, false])
  test(`more than 64 GiB absent make a digest of the ranges, announced ${announced}`, async (t) => {
    const ranges: [string, string][] = [
      ['0x0', '0x4'],
      [`0x${(70n * GIB).toString(16)}`, '0x4'],
    ]
    const [digest] = await digestsOf(
      [
        stream(announced ? { ranges } : {}),
        data(0n, Buffer.from('head')),
        data(70n * GIB, Buffer.from('tail')),
        close,
      ],
      'sha1',
    )
    t.deepEqual(digest, {
      algorithm: 'sha1',
      covers: 'ranges',
      value: createHash('sha1').update('headtail').digest('hex'),
    })
  })

test('a compressed chunk counts as what it decodes to, without its padding', async (t) => {
  const chunk: Frame = {
    ...(data(0n, deflateSync(Buffer.concat([Buffer.from('evidence'), Buffer.alloc(24)]))) as Extract<
      Frame,
      { type: 'data' }
    >),
    codec: 'zlib',
    length: 8n,
    padded: true,
  }
  const [digest] = await digestsOf([stream({ chunkSize: 32 }), chunk, close], 'md5')
  t.is(digest!.value, createHash('md5').update('evidence').digest('hex'))
})

test('a digest that came along is compared, not repeated', async (t) => {
  const given = (value: string): Frame => ({
    type: 'digest',
    stream: 1,
    time: 0n,
    body: { algorithm: 'md5', covers: 'linear', value },
  })
  const right = createHash('md5').update('x').digest('hex')
  const frames = [stream({ kind: 'image' }), data(0n, Buffer.from('x'))]
  t.deepEqual(await digestsOf([...frames, given(right), close], 'md5'), [
    { algorithm: 'md5', covers: 'linear', value: right },
  ])
  await t.throwsAsync(digestsOf([...frames, given('00'), close], 'md5'), {
    instanceOf: ToolError,
    message: /md5 is/,
  })
})

test('a stream that was not completed gets no digest', async (t) => {
  const failed: Frame = { ...close, body: { status: 'failed', bytes: 1 } } as Frame
  t.deepEqual(await digestsOf([stream(), data(0n, Buffer.from('x')), failed], 'md5'), [])
})

test('damage in a payload is met where it is read', async (t) => {
  const wrong: Frame = { ...(data(0n, Buffer.from('x')) as Extract<Frame, { type: 'data' }>), crc: 1 }
  await t.throwsAsync(digestsOf([stream(), wrong, close], 'md5'), { instanceOf: FrameError })
})
