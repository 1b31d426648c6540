import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { openImageFile } from '../../src/formats/image/image-file.js'
import { openLimeImage } from '../../src/formats/lime/lime-image.js'
import { decodeMapfile } from '../../src/formats/mapfile.js'
import type { Frame } from '../../src/frames/frame.js'
import { bufferSource } from '../formats/buffer-source.js'
import { readRuns } from '../formats/image/surroundings.js'
import { anyMemory } from './memory-parts.js'
import { cut, data, fill, memory, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const run = promisify(execFile)
const PAGE = 0x1000
const A = Buffer.alloc(PAGE, 'A')
const B = Buffer.alloc(PAGE, 'B')
const body = memory({ ranges: ranges([0x1000n, 0x2000n], [0x5000n, 0x1000n]) })
const frames: Frame[] = [data(0x1000n, A), data(0x2000n, B), data(0x5000n, A)]
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

type Line = [string, number, string]

/** What Python makes of an image. */
async function listed(t: ExecutionContext, image: string | Buffer): Promise<Line[]> {
  let file = image
  if (typeof file !== 'string') {
    file = path.join(await scratch(t), 'piped.lime')
    fs.writeFileSync(file, image)
  }
  const { stdout } = await run('/usr/bin/python3', ['test/sinks/lime.py', 'list', file], {
    maxBuffer: 1 << 26,
  })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

const EXPECTED: Line[] = [
  ['0x1000', 2 * PAGE, sha256(Buffer.concat([A, B]))],
  ['0x5000', PAGE, sha256(A)],
]

test('a range becomes a record that others read, in a file and a pipe alike', async (t) => {
  const out = path.join(await scratch(t), 'memory.lime')
  const input = transmission(stream(body, frames))
  const { status, stderr } = await runTool('lime-sink', [out], input)
  t.is(status, 0, stderr)
  t.is(stderr, '')
  t.deepEqual(await listed(t, out), EXPECTED)
  t.false(fs.existsSync(`${out}.map`))
  const piped = await runTool('lime-sink', ['-'], input)
  t.is(piped.status, 0)
  t.deepEqual(piped.stdout, await readFile(out))
})

test('ranges that nobody announced are records of a file, and pieces as they come those of a pipe', async (t) => {
  const out = path.join(await scratch(t), 'memory.lime')
  const input = transmission(stream(memory(), frames))
  t.is((await runTool('lime-sink', [out], input)).status, 0)
  t.deepEqual(await listed(t, out), EXPECTED)
  const { status, stdout } = await runTool('lime-sink', ['-'], input)
  t.is(status, 0)
  t.deepEqual(
    (await listed(t, stdout)).map(([start, length]) => [start, length]),
    [
      ['0x1000', PAGE],
      ['0x2000', PAGE],
      ['0x5000', PAGE],
    ],
  )
  t.deepEqual(await readRuns(await openLimeImage(bufferSource(stdout))), [Buffer.concat([A, B]), A])
})

test('what Python writes comes out again the same', async (t) => {
  const folder = await scratch(t)
  const [image, out] = [path.join(folder, 'theirs.lime'), path.join(folder, 'ours.lime')]
  const words = ['0x1000', '0x9f000', '1', '0x100000', '0x300000', '2', '0x100000000', '0x1000', '0']
  await run('/usr/bin/python3', ['test/sinks/lime.py', 'make', image, ...words])
  await run('bash', [
    '-o',
    'pipefail',
    '-c',
    `"$0" bin/image-cat ${image} | "$0" bin/lime-sink ${out}`,
    process.execPath,
  ])
  t.true((await readFile(out)).equals(await readFile(image)))
})

test('zeros take no space in a file', async (t) => {
  const out = path.join(await scratch(t), 'memory.lime')
  const sent = [data(0n, A), fill(0x1000n, 0x4000_0000n, 'zero')]
  t.is((await runTool('lime-sink', [out], transmission(stream(memory(), sent)))).status, 0)
  const { size, blocks } = fs.statSync(out)
  t.is(size, 32 + 0x4000_1000)
  t.true(blocks * 512 < 1 << 20)
})

test('what could not be read reads as its text, and stands in the map beside it', async (t) => {
  const out = path.join(await scratch(t), 'memory.lime')
  const bad = [data(0x1000n, A), fill(0x2000n, 0x1000n, 'unreadable'), fill(0x5000n, 0x1000n, 'byte', 7)]
  t.is((await runTool('lime-sink', [out], transmission(stream(body, bad)))).status, 2)
  const image = await openLimeImage(bufferSource(await readFile(out)))
  t.is(Buffer.from(await image.read(0x2000n, 14)).toString(), 'READABLEDATAUN')
  t.deepEqual([...(await image.read(0x5fffn, 1))], [7])
  t.deepEqual(
    decodeMapfile(await readFile(`${out}.map`)).blocks.map(({ start, status }) => [Number(start), status]),
    [
      [0, '?'],
      [0x1000, '+'],
      [0x2000, '-'],
      [0x3000, '?'],
      [0x5000, '+'],
    ],
  )
})

for (const about of [body, memory()])
  test(`an input that was cut leaves whole records of what came, ${about.ranges ? 'announced' : 'found on the way'}`, async (t) => {
    const folder = await scratch(t)
    const { status } = await runTool(
      'lime-sink',
      [path.join(folder, 'memory.lime')],
      cut(about, frames.slice(0, 2)),
    )
    t.is(status, 3)
    const partial = path.join(folder, 'memory.partial.lime')
    // The last frame before a cut does not count: no header behind it vouches for it.
    t.deepEqual(await listed(t, partial), [['0x1000', PAGE, sha256(A)]])
    t.is(decodeMapfile(await readFile(`${partial}.map`)).status, '?')
    const stump = await openImageFile(partial)
    t.regex(stump.incomplete ?? '', /had not finished/)
    await stump.close()
  })

test('a pipe that was cut is an image whose last record is cut', async (t) => {
  const { status, stdout } = await runTool('lime-sink', ['-'], cut(body, frames.slice(0, 2)))
  t.is(status, 3)
  const image = await openLimeImage(bufferSource(stdout))
  t.regex(image.incomplete ?? '', /ends inside the record that holds 0x2000/)
  t.deepEqual(await readRuns(image), [A])
})

test('a part of a range that never came is no part of its record', async (t) => {
  const out = path.join(await scratch(t), 'memory.lime')
  const gap = transmission(stream(memory({ ranges: ranges([0n, 0x4000n]) }), [data(0n, A), data(0x3000n, B)]))
  t.is((await runTool('lime-sink', [out], gap)).status, 0)
  t.deepEqual(await listed(t, out), [
    ['0x0', PAGE, sha256(A)],
    ['0x3000', PAGE, sha256(B)],
  ])
  const { status, stderr } = await runTool('lime-sink', ['-'], gap)
  t.is(status, 65)
  t.regex(stderr, /0x1000-0x4000 was announced and never came.*\nhint: write it to a regular file/)
})

test('ranges in no order, that overlap, or that nobody announced are refused', async (t) => {
  const out = path.join(await scratch(t), 'memory.lime')
  for (const [about, sent, message] of [
    [memory({ ordered: false }), frames, /come in no order\nhint: aff4-sink takes them/],
    [memory({ category: 'memory:virtual' }), frames, /its addresses are virtual.*\nhint: elf-sink/],
    [body, [data(0x4000n, A)], /address 0x4000 is in none of the ranges/],
  ] as const)
    for (const target of [out, '-']) {
      const { status, stderr } = await runTool('lime-sink', ['-t', target], transmission(stream(about, sent)))
      t.is(status, 65, stderr)
      t.regex(stderr, message)
    }
  t.false(fs.existsSync(out))
})

test('ranges that are no whole pages are written as they are, and a hint says who refuses them', async (t) => {
  const odd = Buffer.alloc(0x3ff, 'x')
  const sent = [data(0x9f800n, odd), data(0x100000n, odd)]
  const about = { ranges: ranges([0x9f800n, 0x3ffn], [0x100000n, 0x3ffn]) }
  for (const announced of [about, {}]) {
    const { status, stdout, stderr } = await runTool(
      'lime-sink',
      ['-t', path.join(await scratch(t), 'o.lime')],
      transmission(stream(memory(announced), sent)),
    )
    t.is(status, 0)
    t.is(stdout.length, 0)
    t.is(
      stderr.match(/0x9f800-0x9fbff is no range of whole pages\nhint: MemProcFS refuses such a file/g)
        ?.length,
      1,
    )
    t.is(stderr.match(/hint/g)?.length, 1)
  }
})

test('more than a file can hold is refused before a byte', async (t) => {
  const folder = await scratch(t)
  const vast = memory({ ranges: ranges([0n, 1n << 62n]) })
  const { status } = await runTool(
    'lime-sink',
    [path.join(folder, 'x')],
    transmission(stream(vast, [data(0n, A)])),
  )
  t.is(status, 73)
  t.deepEqual(fs.readdirSync(folder), [])
})

test('where a file cannot grow on, its records and its map claim only what is in it', async (t) => {
  const folder = await scratch(t)
  const blocks = Array.from({ length: 40 }, (_, i) =>
    data(BigInt(i) * 0x20000n + 0x1000n, Buffer.alloc(0x1f000, i + 1)),
  )
  const { status, stderr } = await runTool(
    'lime-sink',
    [path.join(folder, 'memory.lime')],
    transmission(stream(memory(), blocks)),
    { prefix: ['bash', '-c', 'ulimit -f 2048; exec "$@"', 'limited'] },
  )
  t.is(status, 74, stderr)
  const partial = path.join(folder, 'memory.partial.lime')
  const lines = await listed(t, partial)
  t.true(lines.length >= 8)
  const readable = decodeMapfile(await readFile(`${partial}.map`)).blocks.filter(
    ({ status }) => status === '+',
  )
  t.deepEqual(
    lines.map(([start, length]) => [BigInt(start), BigInt(length)]),
    readable.map(({ start, length }) => [start, length]),
  )
  for (const [i, [, length, digest]] of lines.entries()) t.is(digest, sha256(Buffer.alloc(length, i + 1)))
})

test('whatever comes reads back, to a file and to a pipe', async (t) => {
  const folder = await scratch(t)
  await fc.assert(
    fc.asyncProperty(anyMemory(52), async ({ frames: sent, runs, contents }) => {
      const out = path.join(folder, 'out.lime')
      const images: Buffer[] = []
      for (const about of [{ ranges: ranges(...runs) }, {}]) {
        const input = transmission(stream(memory(about), sent))
        images.push((await runTool('lime-sink', ['-'], input)).stdout)
        t.is((await runTool('lime-sink', ['-t', out], input)).status, 0)
        images.push(await readFile(out))
      }
      for (const bytes of images) {
        const image = await openLimeImage(bufferSource(bytes))
        t.is(image.incomplete, undefined)
        for (const [i, [start, length]] of runs.entries())
          t.true(contents[i]!.equals(await image.read(start, Number(length))))
      }
    }),
    { numRuns: 4 },
  )
})
