import { createHash } from 'node:crypto'
import test from 'ava'
import { FormatError } from '../../../src/formats/format-error.js'
import type { Image } from '../../../src/formats/image/image.js'
import { openRawImage } from '../../../src/formats/image/raw-image.js'
import { imageToFrames } from '../../../src/sources/image/image-frames.js'
import { bufferSource } from '../../formats/buffer-source.js'
import { collect, rangesOf } from '../collect.js'

const MIB = 1 << 20
const content = Buffer.alloc(3 * MIB + 512, 'evidence ')
const md5 = createHash('md5').update(content).digest('hex')
const disk: Image = { ...openRawImage(bufferSource(content)), category: 'disk:physical' }

const warnings: string[] = []
const framesOf = (image: Image) =>
  collect(
    imageToFrames({
      image,
      stream: 1,
      name: 'disk',
      program: 'test',
      batchesAlive: 1,
      warn: (message) => warnings.push(message),
    }),
  )

test('digests that hold go on with the stream', async (t) => {
  const digests = [
    { algorithm: 'md5', value: md5, covers: 'linear' as const },
    { algorithm: 'crc64', value: '0123', covers: 'linear' as const },
  ]
  const frames: unknown[] = []
  for await (const batch of imageToFrames({
    image: { ...disk, digests },
    stream: 1,
    name: 'disk',
    program: 'test',
    batchesAlive: 1,
    warn: t.fail,
  }))
    frames.push(...batch.filter(({ type }) => type === 'digest' || type === 'close'))
  t.like(frames, [
    { type: 'digest', body: { algorithm: 'md5', value: md5, covers: 'linear' } },
    { type: 'close', body: { status: 'complete', bytes: content.length } },
  ])
})

test('a digest that does not hold fails the stream, and is not sent on', async (t) => {
  const { streams } = await framesOf({
    ...disk,
    digests: [{ algorithm: 'md5', value: '0'.repeat(32), covers: 'linear' }],
  })
  t.like(streams[0]!.close, { status: 'failed', bytes: content.length })
  t.is(streams[0]!.close!.error, `md5 of what was read is ${md5}, the image says ${'0'.repeat(32)}`)
  t.is(streams[0]!.notes[0]!.level, 'error')
})

test('what cannot be read is a hole of its unit, and the digests are then not compared', async (t) => {
  const bad = BigInt(MIB + 0x3000)
  const image: Image = {
    ...disk,
    unit: 0x1000,
    digests: [{ algorithm: 'md5', value: md5, covers: 'linear' as const }],
    async read(address, length, into) {
      if (address <= bad && bad < address + BigInt(length)) throw new FormatError('a chunk is damaged', bad)
      return disk.read(address, length, into)
    },
  }
  const { streams } = await framesOf(image)
  t.deepEqual(rangesOf(streams[0]!, 'unreadable'), ['103000-104000'])
  t.deepEqual(rangesOf(streams[0]!, 'data'), ['0-103000', '104000-300200'])
  t.is(streams[0]!.close!.error, 'the digests of the image cannot be compared: not all of it could be read')
})

test('a stump and what the container says against it fail the stream; remarks are notes of it', async (t) => {
  const { streams } = await framesOf({
    ...disk,
    incomplete: 'its end is missing',
    remarks: ['written backwards'],
    verify: async () => ['the seal is broken'],
  })
  t.is(streams[0]!.close!.error, 'its end is missing; the seal is broken')
  t.deepEqual(
    streams[0]!.notes.map(({ level, message }) => [level, message]),
    [
      ['warning', 'written backwards'],
      ['error', 'its end is missing'],
      ['error', 'the seal is broken'],
    ],
  )
  t.true(warnings.includes('written backwards'))
})

test('holes are announced with the runs, and sent as what they are', async (t) => {
  const { streams } = await framesOf({
    ...disk,
    category: 'memory:physical',
    runs: [{ start: 0x1000n, length: 0x2000n }],
    holes: [
      { start: 0n, length: 0x1000n, content: 'zero' },
      { start: 0x3000n, length: 0x1000n, content: 'unreadable' },
      { start: 0x8000n, length: 0x1000n, content: 'unknown' },
    ],
    size: 0x9000n,
  })
  const [{ body, fills }] = streams as [(typeof streams)[0]]
  t.like(body, {
    kind: 'map',
    ranges: [
      ['0x0', '0x1000'],
      ['0x1000', '0x2000'],
      ['0x3000', '0x1000'],
      ['0x8000', '0x1000'],
    ],
  })
  t.deepEqual(
    fills.map(({ offset, fill }) => [offset, fill]),
    [
      [0n, 'zero'],
      [0x3000n, 'unreadable'],
      [0x8000n, 'unknown'],
    ],
  )
})
