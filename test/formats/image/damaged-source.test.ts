import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FormatError } from '../../../src/formats/format-error.js'
import { damagedSource } from '../../../src/formats/image/damaged-source.js'
import { openImageFile } from '../../../src/formats/image/image-file.js'
import { encodeMapfile, type MapBlock } from '../../../src/formats/mapfile.js'
import { scratch } from '../../sinks/pipeline.js'
import { avmlRecord, chunksOf } from '../avml/records.js'
import { bufferSource } from '../buffer-source.js'
import { limeRecord, page } from '../lime/records.js'

/** Blocks from 0 on by their ends. */
const blocks = (...ends: [MapBlock['status'], number][]): MapBlock[] =>
  ends.map(([status, end], i) => {
    const start = i === 0 ? 0 : ends[i - 1]![1]
    return { status, start: BigInt(start), length: BigInt(end - start) }
  })

test('a read that touches a block that was not read fails there; any other one is as before', async (t) => {
  const bytes = page(1, 0x3000)
  const source = damagedSource(
    bufferSource(bytes),
    blocks(['+', 0x1000], ['-', 0x1200], ['+', 0x2000], ['?', 0x4000]),
  )
  for (const [offset, length] of [
    [0, 0x1000],
    [0x1200, 0xe00],
    [0x3000, 10],
    [0x1200, 0],
  ] as const)
    t.deepEqual(
      Buffer.from(await source.read(BigInt(offset), length)),
      bytes.subarray(offset, offset + length),
    )
  for (const [offset, length, at] of [
    [0, 0x1001, '0x1000'],
    [0x11ff, 1, '0x11ff'],
    [0x1800, 0x1000, '0x2000'],
  ] as const)
    await t.throwsAsync(source.read(BigInt(offset), length), {
      instanceOf: FormatError,
      message: new RegExp(`was not read \\(at ${at}\\)`),
    })
})

/** An image file that was copied from a medium with a bad sector. */
async function rescued(t: ExecutionContext, file: Buffer, bad: number, more = 0) {
  const name = path.join(await scratch(t), 'memory')
  const copy = Buffer.from(file).fill(0, bad, bad + 0x200)
  writeFileSync(name, copy)
  const map = blocks(['+', bad], ['-', bad + 0x200], ['+', file.length + more])
  writeFileSync(
    `${name}.map`,
    encodeMapfile({ position: 0n, status: '+', pass: 1, blocks: map }, ['GNU ddrescue']),
  )
  return openImageFile(name)
}

test('in an image that was rescued from a damaged disk what was not read is never evidence', async (t) => {
  const content = page(7, 0x20000)
  const halves = [content.subarray(0, 0x10000), content.subarray(0x10000)] as const
  const lime = Buffer.concat([limeRecord(0n, halves[0]), limeRecord(0x10000n, halves[1])])
  const avml = Buffer.concat(
    halves.map((half, i) => avmlRecord(BigInt(i * 0x10000), 0x10000, chunksOf(half, false))),
  )
  for (const file of [lime, avml]) {
    const image = await rescued(t, file, 0x1000)
    t.teardown(() => image.close())
    t.deepEqual(image.runs, [{ start: 0n, length: 0x20000n }])
    t.true(halves[1].equals(await image.read(0x10000n, 0x10000)))
    await t.throwsAsync(image.read(0n, 0x10000), { message: /was not read/ })
  }
})

test('a map of a smaller file is refused', async (t) => {
  const lime = readFileSync('test/data/images/t.lime')
  await t.throwsAsync(rescued(t, lime, 0x1000, -0x200), {
    message: /tells of bytes up to 11840, and the image ends at 12352/,
  })
})
