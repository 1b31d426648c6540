import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { openAvmlImage } from '../../src/formats/avml/avml-image.js'
import { openImageFile } from '../../src/formats/image/image-file.js'
import { decodeMapfile } from '../../src/formats/mapfile.js'
import type { Frame } from '../../src/frames/frame.js'
import { noise, sample } from '../codecs/samples.js'
import { bufferSource } from '../formats/buffer-source.js'
import { readRuns } from '../formats/image/surroundings.js'
import { anyMemory } from './memory-parts.js'
import { cut, data, fill, memory, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const run = promisify(execFile)
const PAGE = 0x1000
const RECORD = 16 << 20
const A = Buffer.alloc(PAGE, 'A')
const B = Buffer.alloc(PAGE, 'B')
const body = memory({ ranges: ranges([0x1000n, 0x2000n], [0x5000n, 0x1000n]) })
const frames: Frame[] = [data(0x1000n, A), data(0x2000n, B), data(0x5000n, A)]
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

type Line = [string, number, string, number]

/** What Python's snappy makes of an image: start, length, SHA-256, bytes of the framed stream. */
async function decoded(t: ExecutionContext, image: string | Buffer): Promise<Line[]> {
  let file = image
  if (typeof file !== 'string') {
    file = path.join(await scratch(t), 'piped.avml')
    fs.writeFileSync(file, image)
  }
  const { stdout } = await run('/usr/bin/python3', ['test/sinks/avml.py', file], { maxBuffer: 1 << 26 })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

test('ranges become records that others decode, in a file and a pipe, announced or not', async (t) => {
  const out = path.join(await scratch(t), 'memory.avml')
  for (const about of [body, memory()]) {
    const input = transmission(stream(about, frames))
    const { status, stderr } = await runTool('avml-sink', ['-t', out], input)
    t.is(status, 0, stderr)
    t.is(stderr, '')
    t.deepEqual(
      (await decoded(t, out)).map((line) => line.slice(0, 3)),
      [
        ['0x1000', 2 * PAGE, sha256(Buffer.concat([A, B]))],
        ['0x5000', PAGE, sha256(A)],
      ],
    )
    const piped = await runTool('avml-sink', ['-'], input)
    t.is(piped.status, 0)
    t.deepEqual(piped.stdout, await readFile(out))
  }
})

test('a range is cut into records of 16 MiB, whatever pieces it comes in', async (t) => {
  const [text, random] = [sample('text', RECORD - 0x1800), noise(0x110000, 7)]
  const content = Buffer.concat([text, Buffer.alloc(0x800), random])
  const start = 0x10_0000n
  const out = path.join(await scratch(t), 'memory.avml')
  for (const step of [RECORD, 0x98765]) {
    const pieces: Frame[] = []
    for (let at = 0; at < content.length; at += step)
      pieces.push(data(start + BigInt(at), content.subarray(at, at + step)))
    const about = memory({ ranges: ranges([start, BigInt(content.length)]) })
    const { status, stderr } = await runTool('avml-sink', ['-t', out], transmission(stream(about, pieces)))
    t.is(status, 0, stderr)
    const second = content.subarray(RECORD)
    t.regex(
      stderr,
      /the record at 0x1100000 does not compress: it is longer than its range\nhint: Volatility 3/,
    )
    t.deepEqual(
      (await decoded(t, out)).map((line) => line.slice(0, 3)),
      [
        ['0x100000', RECORD, sha256(content.subarray(0, RECORD))],
        ['0x1100000', second.length, sha256(second)],
      ],
    )
    const image = await openAvmlImage(bufferSource(await readFile(out)))
    const runs = await readRuns(image, 1 << 20)
    t.is(runs.length, 1)
    t.true(runs[0]!.equals(content))
    t.deepEqual(await image.verify?.(), [])
  }
})

test('records of zeros are written, and left out only with --zero-elide', async (t) => {
  const out = path.join(await scratch(t), 'memory.avml')
  const sent = [data(0n, A), fill(0x1000n, BigInt(3 * RECORD - PAGE), 'zero'), data(BigInt(3 * RECORD), B)]
  const input = transmission(stream(memory(), sent))
  t.is((await runTool('avml-sink', [out], input)).status, 0)
  t.deepEqual(
    (await decoded(t, out)).map(([start, length]) => [Number(start), length]),
    [
      [0, RECORD],
      [RECORD, RECORD],
      [2 * RECORD, RECORD],
      [3 * RECORD, PAGE],
    ],
  )
  const { status, stderr } = await runTool('avml-sink', ['-t', '--zero-elide', out], input)
  t.is(status, 0)
  t.regex(stderr, /32.0 MiB of records of zeros are left out/)
  t.deepEqual(
    (await decoded(t, out)).map(([start]) => Number(start)),
    [0, 3 * RECORD],
  )
  const image = await openAvmlImage(bufferSource(await readFile(out)))
  t.regex(image.remarks.join(), /2 records of 16 MiB are absent/)
})

test('what could not be read reads as its text, and stands in the map beside it', async (t) => {
  const out = path.join(await scratch(t), 'memory.avml')
  const bad = [data(0x1000n, A), fill(0x2000n, 0x1000n, 'unreadable'), fill(0x5000n, 0x1000n, 'byte', 7)]
  t.is((await runTool('avml-sink', [out], transmission(stream(body, bad)))).status, 2)
  const image = await openAvmlImage(bufferSource(await readFile(out)))
  t.is(Buffer.from(await image.read(0x2000n, 14)).toString(), 'READABLEDATAUN')
  t.deepEqual([...(await image.read(0x5fffn, 1))], [7])
  t.is(
    decodeMapfile(await readFile(`${out}.map`)).blocks.find(({ status }) => status === '-')?.start,
    0x2000n,
  )
})

test('an input that was cut leaves whole records of what came', async (t) => {
  const folder = await scratch(t)
  for (const about of [body, memory()]) {
    const input = cut(about, frames.slice(0, 2))
    const { status } = await runTool('avml-sink', ['-t', path.join(folder, 'memory.avml')], input)
    t.is(status, 3)
    const partial = path.join(folder, 'memory.partial.avml')
    t.deepEqual(
      (await decoded(t, partial)).map((line) => line.slice(0, 3)),
      [['0x1000', PAGE, sha256(A)]],
    )
    t.is(decodeMapfile(await readFile(`${partial}.map`)).status, '?')
    const stump = await openImageFile(partial)
    t.regex(stump.incomplete ?? '', /had not finished/)
    await stump.close()
    const piped = await runTool('avml-sink', ['-'], input)
    t.is(piped.status, 3)
    t.deepEqual(piped.stdout, await readFile(partial))
  }
})

test('ranges that do not ascend or overlap are refused, and what came before is kept', async (t) => {
  const folder = await scratch(t)
  const { status, stderr } = await runTool(
    'avml-sink',
    ['-'],
    transmission(stream(memory({ ordered: false }), frames)),
  )
  t.is(status, 65)
  t.regex(stderr, /come in no order\nhint: aff4-sink takes them/)
  const virtual = transmission(stream(memory({ category: 'memory:virtual' }), frames))
  t.regex((await runTool('avml-sink', ['-'], virtual)).stderr, /its addresses are virtual/)
  t.deepEqual(fs.readdirSync(folder), [])
})

test('where a file cannot grow on, its records and its map claim only what is in it', async (t) => {
  const folder = await scratch(t)
  const blocks = Array.from({ length: 60 }, (_, i) => data(BigInt(i) * 0x200000n, noise(1 << 20, i)))
  const { status, stderr } = await runTool(
    'avml-sink',
    [path.join(folder, 'memory.avml')],
    transmission(stream(memory(), blocks)),
    { prefix: ['bash', '-c', 'ulimit -f 20480; exec "$@"', 'limited'] },
  )
  t.is(status, 74, stderr)
  t.regex(stderr, /memory.partial.avml: file too large\nhint: what came before is in/)
  const partial = path.join(folder, 'memory.partial.avml')
  const lines = await decoded(t, partial)
  t.true(lines.length >= 15)
  const readable = decodeMapfile(await readFile(`${partial}.map`)).blocks.filter(
    ({ status }) => status === '+',
  )
  t.deepEqual(
    lines.map(([start]) => BigInt(start)),
    readable.map(({ start }) => start),
  )
  for (const [i, [, , digest]] of lines.entries()) t.is(digest, sha256(noise(1 << 20, i)))
})

test('whatever comes reads back', async (t) => {
  const out = path.join(await scratch(t), 'out.avml')
  const kinds = ['text', 'noise', 'mixed'] as const
  const memories = anyMemory(52, (size, index) => sample(kinds[index % kinds.length]!, size))
  await fc.assert(
    fc.asyncProperty(memories, async ({ frames: sent, runs, contents }) => {
      t.is((await runTool('avml-sink', ['-t', out], transmission(stream(memory(), sent)))).status, 0)
      const image = await openAvmlImage(bufferSource(await readFile(out)))
      for (const [i, [start, length]] of runs.entries())
        t.true(contents[i]!.equals(await image.read(start, Number(length))))
    }),
    { numRuns: 8 },
  )
})
