import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { asRoot, loopDevice } from '../platform/linux/loop-device.js'
import { ask, factsOf, fileCat, folder, type Hole, sizeOf } from './files/support.js'

const MIB = 1 << 20
const { EIO, ENODATA, ENODEV } = constants.errno

/** Compiled once. Found by its name, as a path that is preloaded may hold no blank. */
const SHIM = 'bad-media.so'
const shims = mkdtempSync(path.join(tmpdir(), 'pmem-bad-media-'))
test.before(() => {
  const out = path.join(shims, SHIM)
  ask('gcc', '-shared', '-fPIC', '-O1', '-o', out, 'test/sources/files/bad-media.c', '-ldl')
})
test.after.always(() => rmSync(shims, { recursive: true }))

/** Reading devices takes root. */
const root = process.getuid?.() === 0 ? [] : ['sudo', '-n']

/** The environment in which reads of `file` fail in these ranges. */
const failing = (file: string, ...ranges: [start: number, length: number, error: number][]) => ({
  LD_LIBRARY_PATH: shims,
  LD_PRELOAD: SHIM,
  BAD_FILE: file,
  BAD_RANGES: ranges.map(([start, length, error]) => `${start}+${length}:${error}`).join(' '),
})

function file(root: string, length: number): { path: string; bytes: Buffer } {
  const bytes = randomBytes(length)
  const at = path.join(root, 'medium')
  writeFileSync(at, bytes)
  return { path: at, bytes }
}

/** What stays of the bytes when the holes read as zeros. */
function punched(bytes: Buffer, holes: readonly Hole[]): string {
  const copy = Buffer.from(bytes)
  for (const { start, end } of holes) copy.fill(0, start, end)
  return createHash('sha256').update(copy).digest('hex')
}
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const unreadable = (...ranges: [number, number][]) =>
  ranges.map(([start, end]) => ({ fill: 'unreadable', start, end }))

test('bad blocks of a file cost themselves only, and each range is noted once', async (t) => {
  const { path: medium, bytes } = file(folder(t), 4 * MIB + 777)
  const env = failing(medium, [40960, 4096, EIO], [MIB - 4096, 12288, ENODATA], [4 * MIB + 100, 10, EIO])
  const run = await fileCat([medium], { env })
  t.is(run.status, 2)
  const [stream] = run.streams
  t.deepEqual(
    stream?.holes,
    unreadable([40960, 45056], [MIB - 4096, MIB + 8192], [4 * MIB + 100, 4 * MIB + 777]),
  )
  t.is(digest(stream!.content), punched(bytes, stream!.holes))
  t.deepEqual(
    stream?.notes.map(({ level, message, offset, length }) => [level, message, offset, length]),
    [
      ['warning', 'unreadable: input/output error', '0xa000', '0x1000'],
      ['warning', 'unreadable: no data available', '0xff000', '0x3000'],
      ['warning', 'unreadable: input/output error', '0x400064', '0x2a5'],
    ],
  )
  t.is(stream?.close?.status, 'complete')
  t.is(run.stderr, `file-cat: ${medium}: 16.7 KiB unreadable: input/output error\n`)
})

test("the imager's threads lose the same, and what lies around it is in the volume", async (t) => {
  const { path: medium, bytes } = file(folder(t), 24 * MIB + 777)
  const holes: Hole[] = unreadable(
    [40960, 45056],
    [5 * MIB - 4096, 5 * MIB + 8192],
    [20 * MIB, 20 * MIB + 4096],
  )
  const env = failing(
    medium,
    ...holes.map(({ start, end }): [number, number, number] => [start, end - start, EIO]),
  )
  for (const codec of ['snappy', 'zlib']) {
    const volume = `${medium}.${codec}.aff4`
    const { status } = spawnSync('bin/pmem', ['-q', '-c', codec, '-i', medium, '-o', volume], {
      env: { ...process.env, ...env },
    })
    t.is(status, 2)
    const { stdout } = spawnSync(
      'bash',
      ['-c', 'bin/aff4-cat "$1" | bin/raw-sink --fill zero -', '-', volume],
      { maxBuffer: 64 * MIB },
    )
    t.is(digest(stdout), punched(bytes, holes))
    const map = spawnSync('bin/aff4-ls', ['--map', volume], { encoding: 'utf8' }).stdout
    for (const { start, end } of holes)
      t.regex(map, new RegExp(`0x${start.toString(16)}.*0x${(end - start).toString(16)}.*nreadable`))
  }
})

/** Bad ranges of a ddrescue map file. */
function badIn(mapfile: string): [number, number][] {
  return readFileSync(mapfile, 'utf8')
    .split('\n')
    .filter((line) => /^0x\S+\s+0x\S+\s+-$/.test(line))
    .map((line) => line.split(/\s+/).map(Number) as [number, number])
    .map(([start, length]) => [start, start + length])
}

test('the same is lost as GNU ddrescue loses, and the same is read', async (t) => {
  const root = folder(t)
  const { path: medium } = file(root, 3 * MIB)
  const ranges = [8, 9, 100, 255, 256, 257, 511, 700].map((block): [number, number, number] => [
    block * 4096,
    4096,
    EIO,
  ])
  const env = failing(medium, ...ranges)
  const [rescued, mapfile] = [path.join(root, 'rescued'), path.join(root, 'mapfile')]
  ask(
    'env',
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    'ddrescue',
    '-q',
    '-b4096',
    '-r1',
    medium,
    rescued,
    mapfile,
  )
  const run = await fileCat([medium], { env })
  t.deepEqual(run.streams[0]?.holes, unreadable(...badIn(mapfile)))
  t.is(digest(run.streams[0]!.content), digest(readFileSync(rescued)))
})

test('a bad block is asked for three times alone, and its good neighbours in few reads', async (t) => {
  const root = folder(t)
  const { path: medium } = file(root, MIB)
  const log = path.join(root, 'log')
  await fileCat([medium], { env: { ...failing(medium, [100 * 4096, 4096, EIO]), BAD_LOG: log } })
  const reads = readFileSync(log, 'utf8').trim().split('\n')
  t.is(reads.filter((read) => read === `${100 * 4096} 4096`).length, 3)
  t.true(reads.length <= 24, reads.join())
})

for (const [what, name, size] of [
  ['a file', 'medium', 4 * MIB],
  ['a file without a size', '/proc/self/status', undefined],
] as const)
  test(`a defect of the program is no damage of ${what}: it ends the run, and nothing is called unreadable`, async (t) => {
    const at = size === undefined ? name : file(folder(t), size).path
    const script = `import fs from 'node:fs'
const read = fs.readSync
fs.readSync = (fd, into, from, length, at) => {
  if (fs.readlinkSync('/proc/self/fd/' + fd).endsWith('${path.basename(name)}') && (at === null || at >= ${MIB})) undefined.defect
  return read(fd, into, from, length, at)
}`
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
    const { status, stderr, frames } = await fileCat([at], { env })
    t.is(status, 70, stderr)
    t.regex(stderr, /internal error: .*defect/)
    t.false(frames.some((frame) => frame.type === 'fill' && frame.fill === 'unreadable'))
    const end = frames.at(-1)
    t.true(end === undefined || (end.type === 'end' && end.body.status === 'failed'))
  })

test('a medium that goes away ends its stream as failed; the rest is unreadable, the next file is read', async (t) => {
  const root = folder(t)
  const { path: medium, bytes } = file(root, 4 * MIB)
  writeFileSync(path.join(root, 'next'), 'next')
  const env = failing(medium, [2.5 * MIB, 2 * MIB, ENODEV])
  const run = await fileCat([medium, path.join(root, 'next')], { env })
  t.is(run.status, 2)
  const [gone, next] = run.streams
  t.deepEqual(gone?.holes, unreadable([2.5 * MIB, 4 * MIB]))
  t.is(digest(gone!.content), punched(bytes, gone!.holes))
  t.like(gone?.close, { status: 'failed', error: 'no such device', bytes: 4 * MIB })
  t.is(next?.content.toString(), 'next')
  const end = run.frames.at(-1)
  t.is(end?.type === 'end' ? end.body.status : '', 'complete')
})

for (const sector of [512, 4096])
  test(`a device of ${sector}-byte sectors goes out whole, with what the kernel knows of it`, async (t) => {
    const { path: backing, bytes } = file(folder(t), 3 * MIB + 4096)
    const device = loopDevice(t, backing, '--sector-size', String(sector), '--read-only')
    const run = await fileCat([device], { through: root })
    t.is(run.status, 0)
    const [stream] = run.streams
    t.is(digest(stream!.content), digest(bytes))
    t.is(digest(stream!.content), asRoot('sha256sum', device).slice(0, 64))
    t.like(stream?.body, {
      name: device,
      kind: 'image',
      category: 'disk:raw',
      properties: { sectorSize: sector },
    })
    t.is(sizeOf(stream!), BigInt(asRoot('blockdev', '--getsize64', device)))
    t.like(factsOf(stream!.turtle), {
      size: String(bytes.length),
      blockSize: String(sector),
      sectorCount: String(bytes.length / sector),
      readOnly: 'true',
      diskDeviceName: path.basename(device),
    })
  })

test('a failing device loses single sectors, where the page cache would lose pages', async (t) => {
  const { path: backing, bytes } = file(folder(t), 2 * MIB)
  const device = loopDevice(t, backing)
  // What a device has promised and its medium no longer gives is an input/output error.
  const kept = 1.5 * MIB + 3 * 512
  truncateSync(backing, kept)
  const run = await fileCat([device], { through: root })
  t.is(run.status, 2)
  const [stream] = run.streams
  t.deepEqual(stream?.holes, unreadable([kept, 2 * MIB]))
  t.is(digest(stream!.content), punched(bytes, stream!.holes))
  t.is(stream?.close?.status, 'complete')
  t.is(stream?.notes.length, 1)
})

test('a device that is mounted writable is read, with a warning', async (t) => {
  const at = folder(t)
  const backing = path.join(at, 'disk')
  writeFileSync(backing, '')
  truncateSync(backing, 8 * MIB)
  const device = loopDevice(t, backing)
  asRoot('mkfs.ext4', '-q', device)
  asRoot('mkdir', path.join(at, 'mnt'))
  asRoot('mount', device, path.join(at, 'mnt'))
  try {
    const run = await fileCat([device], { through: root })
    t.is(run.status, 0)
    const warning = `${device}: ${device} is mounted writable on ${at}/mnt and may change while it is read`
    t.is(run.streams[0]?.notes[0]?.message, warning)
    t.is(run.stderr, `file-cat: ${warning}\n`)
  } finally {
    asRoot('umount', path.join(at, 'mnt'))
  }
})

test('a link to a device is the device, and an empty one is an empty image', async (t) => {
  const at = folder(t)
  const backing = path.join(at, 'nothing')
  writeFileSync(backing, '')
  ask('ln', '-s', loopDevice(t, backing), path.join(at, 'by-name'))
  const run = await fileCat([path.join(at, 'by-name')], { through: root })
  t.like(run.streams[0], { body: { kind: 'image', size: '0x0' }, close: { status: 'complete', bytes: 0 } })
})
