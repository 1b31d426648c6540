import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { hasZstd } from '../../src/codecs/zstd.js'
import type { Image } from '../../src/formats/image/image.js'
import { openImageFile } from '../../src/formats/image/image-file.js'
import type { Frame } from '../../src/frames/frame.js'
import { noise, sample } from '../codecs/samples.js'
import { readRuns } from '../formats/image/surroundings.js'
import { makedumpfile, tinyCore, tinyRuns } from '../formats/kdump/makedumpfile.js'
import { TINY_KERNEL_RUNS, tinyKernel } from '../formats/tiny-kernel.js'
import {
  cut,
  data,
  fill,
  memory,
  onceItBegins,
  ranges,
  runTool,
  scratch,
  stream,
  transmission,
} from './pipeline.js'

const run = promisify(execFile)
const PAGE = 0x1000
const MIB = 1 << 20
const [A, B] = [sample('text', PAGE), noise(PAGE)]
const body = memory({ ranges: ranges([0x1000n, 0x2000n], [0x5000n, 0x1000n]) })
const frames: Frame[] = [data(0x1000n, Buffer.concat([A, B])), data(0x5000n, Buffer.alloc(PAGE))]

/** Opened for the length of a test. */
async function open(t: ExecutionContext, file: string): Promise<Image> {
  const image = await openImageFile(file)
  t.teardown(() => image.close())
  return image
}

/** Frames of the tiny kernel as image-cat sends them. */
async function tinyFrames(t: ExecutionContext): Promise<Buffer> {
  const core = path.join(await scratch(t), 'tiny.core')
  await writeFile(core, tinyCore())
  const { stdout } = await runTool('image-cat', [core], Buffer.alloc(0))
  return stdout
}

for (const codec of ['zlib', 'snappy', 'none', ...(hasZstd ? ['zstd'] : [])])
  test(`pages stored with ${codec} are read back, with ranges and facts`, async (t) => {
    const out = path.join(await scratch(t), 'memory.kdump')
    const { status, stderr } = await runTool('kdump-sink', ['--compress', codec, out], await tinyFrames(t))
    t.is(status, 0, stderr)
    t.is(stderr, '')
    const image = await open(t, out)
    t.is(image.variant, `version 6, 64 bit, ${codec === 'none' ? 'not compressed' : codec}`)
    t.is(image.incomplete, undefined)
    t.deepEqual([...image.runs], TINY_KERNEL_RUNS)
    t.deepEqual(await readRuns(image), tinyRuns())
    t.like(image.facts, { kernelRelease: '6.1.0', machine: 62n, vmcoreinfo: tinyKernel().vmcoreinfo })
    t.false(fs.existsSync(`${out}.map`))
    const { stdout } = await run('file', ['-b', out])
    t.regex(stdout, /^Kdump compressed dump v6, system Linux.*machine x86_64/)
  })

test('makedumpfile makes another dump of ours, and of what goes to a pipe', async (t) => {
  const out = path.join(await scratch(t), 'memory.kdump')
  const input = await tinyFrames(t)
  await runTool('kdump-sink', [out], input)
  const { stdout: flat } = await runTool('kdump-sink', ['-'], input)
  const [unpacked] = await makedumpfile(flat, ['-R'])
  for (const ours of [await readFile(out), unpacked!]) {
    const [theirs] = await makedumpfile(ours, ['-l', '-d', '0'])
    const file = path.join(await scratch(t), 'theirs.kdump')
    await writeFile(file, theirs!)
    const image = await open(t, file)
    t.deepEqual([...image.runs], TINY_KERNEL_RUNS)
    t.deepEqual(await readRuns(image), tinyRuns())
    t.is(image.facts.vmcoreinfo, tinyKernel().vmcoreinfo)
  }
})

test('an ELF core comes back from a dump as it was, facts and all', async (t) => {
  const folder = await scratch(t)
  const [core, dump, again] = ['one.core', 'dump', 'two.core'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  await runTool('elf-sink', ['--deterministic', core], await tinyFrames(t))
  const send = async (file: string) => (await runTool('image-cat', [file], Buffer.alloc(0))).stdout
  await runTool('kdump-sink', [dump], await send(core))
  await runTool('elf-sink', ['--deterministic', again], await send(dump))
  t.deepEqual(await readFile(again), await readFile(core))
  t.deepEqual((await open(t, dump)).facts, (await open(t, core)).facts)
})

test('ranges in no order, and ranges that nobody announced, to a file and to a pipe', async (t) => {
  const folder = await scratch(t)
  const pages = Array.from({ length: 700 }, (_, i) => (i % 5 === 0 ? Buffer.alloc(PAGE) : noise(PAGE, i)))
  const whole = Buffer.concat(pages)
  const piece = (from: number, to: number) =>
    data(BigInt(from * PAGE), whole.subarray(from * PAGE, to * PAGE))
  const late = data(0x1_0000_0000n, B)
  const backwards = [
    late,
    piece(600, 700),
    fill(0x80_0000n, 0x40_0000n, 'zero'),
    piece(0, 17),
    piece(17, 600),
  ]
  const forwards = [piece(0, 17), piece(17, 700), fill(0x80_0000n, 0x40_0000n, 'zero'), late]
  const announced = ranges([0n, 0x2bc000n], [0x80_0000n, 0x40_0000n], [0x1_0000_0000n, 0x1000n])
  const cases: [string, ReturnType<typeof memory>, Frame[]][] = [
    ['unannounced', memory(), forwards],
    ['unordered', memory({ ordered: false, ranges: announced }), backwards],
    ['neither', memory({ ordered: false }), backwards],
    ['both', memory({ ranges: announced }), forwards],
  ]
  for (const [name, about, sent] of cases) {
    const input = transmission(stream(about, sent))
    const [file, piped] = [path.join(folder, name), path.join(folder, `${name}.flat`)]
    t.is((await runTool('kdump-sink', [file], input)).status, 0, name)
    const { stdout } = await runTool('kdump-sink', ['-'], input)
    await writeFile(piped, stdout)
    for (const out of [file, piped]) {
      const image = await open(t, out)
      t.is(image.incomplete, undefined, name)
      t.deepEqual(
        [...image.runs],
        announced.map(([start, length]) => ({ start: BigInt(start), length: BigInt(length) })),
      )
      t.true(Buffer.from(await image.read(0n, whole.length)).equals(whole), name)
      t.true(Buffer.from(await image.read(0x80_0000n, 0x40_0000)).equals(Buffer.alloc(0x40_0000)), name)
      t.true(Buffer.from(await image.read(0x1_0000_0000n, PAGE)).equals(B), name)
    }
  }
})

test('pages that could not be read are absent, and known to be unreadable, without the map too', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'memory.kdump')
  const bad = [
    data(0x1000n, A),
    fill(0x2000n, 0x1000n, 'unreadable'),
    fill(0x5000n, 0x1000n, 'unknown'),
    data(0x6000n, B),
  ]
  const about = memory({ ranges: ranges([0x1000n, 0x2000n], [0x5000n, 0x3000n]) })
  const { status } = await runTool('kdump-sink', [out], transmission(stream(about, bad)))
  t.is(status, 2)
  const expected = [
    { start: 0x2000n, length: 0x1000n, content: 'unreadable' },
    { start: 0x5000n, length: 0x1000n, content: 'unknown' },
    { start: 0x7000n, length: 0x1000n, content: 'unknown' },
  ]
  for (const map of [true, false]) {
    if (!map) fs.renameSync(`${out}.map`, path.join(folder, 'away'))
    const image = await open(t, out)
    t.is(image.incomplete, undefined)
    t.deepEqual(image.holes, expected as never)
    t.deepEqual(Buffer.concat(await readRuns(image)), Buffer.concat([A, B]))
  }
})

test('pages of which a part came are whole, and the map tells which part', async (t) => {
  const out = path.join(await scratch(t), 'memory.kdump')
  const parts = [data(0x1800n, A), fill(0x2800n, 0x100n, 'unreadable'), data(0x5001n, B.subarray(0, 5))]
  const about = memory({ ranges: ranges([0x1800n, 0x1100n], [0x5001n, 5n]) })
  t.is((await runTool('kdump-sink', [out], transmission(stream(about, parts)))).status, 2)
  const image = await open(t, out)
  t.deepEqual(
    [...image.runs],
    [
      { start: 0x1800n, length: 0x1000n },
      { start: 0x5001n, length: 5n },
    ],
  )
  t.deepEqual(await readRuns(image), [A, B.subarray(0, 5)])
  t.is(Buffer.from(await image.read(0x2800n, 0x100)).indexOf('UNREADABLEDATA') >= 0, true)
})

test('an input that was cut leaves a dump of what came, marked as incomplete', async (t) => {
  const folder = await scratch(t)
  for (const about of [body, memory()]) {
    const { status } = await runTool(
      'kdump-sink',
      ['-t', path.join(folder, 'memory.kdump')],
      cut(about, frames),
    )
    t.is(status, 3)
    const partial = path.join(folder, 'memory.partial.kdump')
    const image = await open(t, partial)
    t.regex(image.incomplete!, /^its input was truncated/)
    t.deepEqual(await readRuns(image), [Buffer.concat([A, B])])
    t.is((await readFile(partial)).readUInt32LE(424), 9)
    const { status: piped, stdout } = await runTool('kdump-sink', ['-'], cut(about, frames))
    t.is(piped, 3)
    await writeFile(path.join(folder, 'piped'), stdout)
    const flat = await open(t, path.join(folder, 'piped'))
    t.regex(flat.incomplete!, /^its input was truncated/)
    t.deepEqual(await readRuns(flat), [Buffer.concat([A, B])])
  }
})

test('a pipe that breaks before the end is known as such', async (t) => {
  const whole = noise(8 * MIB)
  const input = transmission(
    stream(memory({ ranges: ranges([0n, BigInt(whole.length)]) }), [data(0n, whole)]),
  )
  const { stdout } = await runTool('kdump-sink', ['-'], input)
  const file = path.join(await scratch(t), 'broken')
  await writeFile(file, stdout.subarray(0, 6 * MIB))
  await t.throwsAsync(openImageFile(file), { message: /cut before the headers of what it holds/ })
})

test('records for a pipe never overlap: crash takes either of two that do', async (t) => {
  const input = await tinyFrames(t)
  const { stdout } = await runTool('kdump-sink', ['-'], input)
  const records: [number, number][] = []
  for (let at = 4096; stdout.readBigInt64BE(at) >= 0n; at += 16 + Number(stdout.readBigInt64BE(at + 8)))
    records.push([Number(stdout.readBigInt64BE(at)), Number(stdout.readBigInt64BE(at + 8))])
  let end = 0
  for (const [offset, size] of records.sort(([a], [b]) => a - b)) {
    t.true(offset >= end)
    end = offset + size
  }
})

test('a disk that fills up keeps what is on it', async (t) => {
  const folder = await scratch(t)
  const whole = noise(8 * MIB)
  const about = memory({ ranges: ranges([0n, BigInt(whole.length)]) })
  const sent = Array.from({ length: 8 }, (_, i) =>
    data(BigInt(i * MIB), whole.subarray(i * MIB, (i + 1) * MIB)),
  )
  const { status, stderr } = await runTool(
    'kdump-sink',
    [path.join(folder, 'memory.kdump')],
    transmission(stream(about, sent)),
    { prefix: ['bash', '-c', 'ulimit -f 5120; exec "$@"', 'limited'] },
  )
  t.is(status, 74, stderr)
  const image = await open(t, path.join(folder, 'memory.partial.kdump'))
  t.regex(image.incomplete!, /^its input was failed/)
  const [bytes] = await readRuns(image, MIB)
  t.true(bytes!.length >= 2 * MIB, `${bytes!.length}`)
  t.true(bytes!.equals(whole.subarray(0, bytes!.length)))
})

test('a dump that is not finished yet is already marked as incomplete', async (t) => {
  const out = path.join(await scratch(t), 'memory.kdump')
  const partial = out.replace('.kdump', '.partial.kdump')
  const large = noise(4 * MIB)
  const about = memory({ ranges: ranges([0n, 0x800000n]) })
  const whole = transmission(stream(about, [data(0n, large), data(0x400000n, large)]))
  let seen: Buffer | undefined
  async function* slowly() {
    yield whole.subarray(0, 6 * MIB)
    seen = await onceItBegins(partial, 'KDUMP')
    yield whole.subarray(6 * MIB)
  }
  t.is((await runTool('kdump-sink', [out], slowly())).status, 0)
  t.is(seen?.readUInt32LE(424), 9)
  t.is(fs.readFileSync(out).readUInt32LE(424), 1)
})

test('pages of zeros share one', async (t) => {
  const out = path.join(await scratch(t), 'memory.kdump')
  const about = memory({ ranges: ranges([0n, 0x400_0000n]) })
  const sent = [data(0n, Buffer.alloc(MIB)), fill(0x10_0000n, 0x3f0_0000n, 'zero')]
  t.is((await runTool('kdump-sink', [out], transmission(stream(about, sent)))).status, 0)
  t.true(fs.statSync(out).size < 450_000)
  const image = await open(t, out)
  t.true(Buffer.from(await image.read(0x80000n, 2 * MIB)).equals(Buffer.alloc(2 * MIB)))
})

test('pages of 64 KiB, as a fact tells them', async (t) => {
  const out = path.join(await scratch(t), 'memory.kdump')
  const meta: Frame = {
    type: 'meta',
    stream: 1,
    time: 0n,
    turtle: '@prefix aff4: <http://aff4.org/Schema#> .\n<> aff4:pageSize 65536 .\n',
  }
  const bytes = Buffer.concat([noise(0x10000), sample('text', 0x20000)])
  const about = memory({ ranges: ranges([0x20000n, 0x30000n]) })
  t.is(
    (await runTool('kdump-sink', [out], transmission(stream(about, [meta, data(0x20000n, bytes)])))).status,
    0,
  )
  const image = await open(t, out)
  t.is(image.unit, 0x10000)
  t.deepEqual(await readRuns(image), [bytes])
})

test('the same input gives the same bytes with --deterministic', async (t) => {
  const folder = await scratch(t)
  const input = await tinyFrames(t)
  const outputs = ['one', 'two'].map((name) => path.join(folder, name))
  for (const out of outputs) await runTool('kdump-sink', ['--deterministic', out], input)
  t.deepEqual(await readFile(outputs[0]!), await readFile(outputs[1]!))
  t.false((await readFile(outputs[0]!)).includes('"host"'))
})

test('what a dump lacks is told, and what it cannot hold is refused', async (t) => {
  const { stderr } = await runTool('kdump-sink', ['-'], transmission(stream(body, frames)))
  t.regex(stderr, /nothing tells VMCOREINFO\nhint: crash/)
  t.regex(stderr, /nothing tells what machine it is of\nhint: crash/)
  for (const [about, frame, message] of [
    [
      memory({ category: 'memory:virtual' }),
      data(0x1000n, A),
      /process has no physical addresses\nhint: elf-sink/,
    ],
    [memory({ ranges: ranges([1n << 60n, 0x1000n]) }), data(1n << 60n, A), /beyond what bitmaps of 1 GiB/],
    [body, data(0x8000n, A), /page 0x8 or one behind it is in none of the ranges/],
  ] as const) {
    const out = path.join(await scratch(t), 'refused')
    const refused = await runTool('kdump-sink', [out], transmission(stream(about, [frame])))
    t.is(refused.status, 65, refused.stderr)
    t.regex(refused.stderr, message)
  }
  const usage = await runTool('kdump-sink', ['--compress', 'lzo', '-'], Buffer.alloc(0))
  t.is(usage.status, 64)
  t.regex(usage.stderr, /--compress lzo: not one of zlib, snappy, zstd, none/)
})
