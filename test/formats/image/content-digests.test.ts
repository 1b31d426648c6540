import { createHash } from 'node:crypto'
import test from 'ava'
import { digestContent } from '../../../src/formats/image/content-digests.js'
import type { Image } from '../../../src/formats/image/image.js'
import { openRawImage } from '../../../src/formats/image/raw-image.js'
import { bufferSource } from '../buffer-source.js'

const content = Buffer.alloc(0x9000, 'evidence ')
const sha1 = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex')

function imageOf(runs: Image['runs'], size: bigint, value: string): Image {
  const digests = [
    { algorithm: 'sha1', value, covers: 'linear' },
    { algorithm: 'crc64', value: '1', covers: 'linear' },
  ] as const
  return { ...openRawImage(bufferSource(content)), runs, size, digests }
}

async function readAll({ read }: Pick<Image, 'read'>, runs: Image['runs'], step: number): Promise<void> {
  for (const { start, length } of runs)
    for (let at = 0; at < Number(length); at += step)
      await read(start + BigInt(at), Math.min(step, Number(length) - at))
}

test('a digest covers the runs, and zeros before, between and behind them', async (t) => {
  const runs = [
    { start: 0x1000n, length: 0x2000n },
    { start: 0x5000n, length: 0x1000n },
  ]
  const expected = Buffer.alloc(0x300000)
  for (const start of [0x1000, 0x2000, 0x5000]) content.copy(expected, start, start, start + 0x1000)
  const digests = digestContent(imageOf(runs, 0x300000n, 'x'))
  await readAll(digests, runs, 0x700)
  t.deepEqual(
    (await digests.compare()).map(({ algorithm, found }) => [algorithm, found]),
    [
      ['sha1', sha1(expected)],
      ['crc64', undefined],
    ],
  )
})

test('what was not read, or not in order, leaves digests without a value', async (t) => {
  const runs = [{ start: 0n, length: 0x9000n }]
  const digests = digestContent(imageOf(runs, 0x9000n, 'x'))
  await digests.read(0x1000n, 0x8000)
  await digests.read(0n, 0x1000)
  t.is((await digests.compare())[0]!.found, undefined)
  await digests.read(0x1000n, 0x8000)
  t.is((await digests.compare())[0]!.found, sha1(content))
})

test('an image with more absent than can be hashed is not hashed', async (t) => {
  const digests = digestContent(imageOf([{ start: 0n, length: 0x1000n }], 1n << 60n, 'x'))
  await digests.read(0n, 0x1000)
  t.is((await digests.compare())[0]!.found, undefined)
})

test('holes read as what stands for them, and digests of the ranges leave gaps out', async (t) => {
  const runs = [{ start: 0x1000n, length: 0x1000n }]
  const image: Image = {
    ...imageOf(runs, 0x8000n, 'x'),
    holes: [
      { start: 0n, length: 0x1000n, content: 'zero' },
      { start: 0x4000n, length: 0x1000n, content: 'unreadable' },
    ],
    digests: [{ algorithm: 'sha1', value: 'x', covers: 'ranges' }],
  }
  const digests = digestContent(image)
  await readAll(digests, runs, 0x1000)
  const text = Buffer.alloc(0x5000, 'UNREADABLEDATA').subarray(0x4000)
  const expected = Buffer.concat([Buffer.alloc(0x1000), content.subarray(0x1000, 0x2000), text])
  t.is((await digests.compare())[0]!.found, sha1(expected))
})
