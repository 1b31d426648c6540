import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { deflateSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { decodeMapfile } from '../../src/formats/mapfile.js'
import type { Frame, StreamBody } from '../../src/frames/frame.js'
import { cut, data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const run = promisify(execFile)
const TiB = 1n << 40n

/** UNREADABLEDATA or UNKNOWN as AFF4 tiles it, for [start, end). */
function text(word: string, start: number, end: number): Buffer {
  return Buffer.from(
    Array.from({ length: end - start }, (_, i) => word.charCodeAt(((start + i) % 0x100000) % word.length)),
  )
}

const PAGE = 0x1000
const A = Buffer.alloc(PAGE, 'A')
const B = Buffer.alloc(PAGE, 'B')
const body = memory({ size: hex(0x9000), ranges: ranges([0x1000n, 0x5000n], [0x7000n, 0x1000n]) })
const frames: Frame[] = [
  data(0x1000n, A),
  fill(0x2000n, 0x1000n, 'zero'),
  fill(0x3000n, 0x1000n, 'unreadable'),
  fill(0x4000n, 0x1000n, 'byte', 0x55),
  fill(0x5000n, 0x1000n, 'unknown'),
  data(0x7000n, B),
]
const EXPECTED = Buffer.concat([
  Buffer.alloc(PAGE),
  A,
  Buffer.alloc(PAGE),
  text('UNREADABLEDATA', 0x3000, 0x4000),
  Buffer.alloc(PAGE, 0x55),
  text('UNKNOWN', 0x5000, 0x6000),
  Buffer.alloc(PAGE),
  B,
  Buffer.alloc(PAGE),
])
const MAP = [
  { start: 0n, length: 0x1000n, status: '?' },
  { start: 0x1000n, length: 0x2000n, status: '+' },
  { start: 0x3000n, length: 0x1000n, status: '-' },
  { start: 0x4000n, length: 0x1000n, status: '+' },
  { start: 0x5000n, length: 0x2000n, status: '?' },
  { start: 0x7000n, length: 0x1000n, status: '+' },
  { start: 0x8000n, length: 0x1000n, status: '?' },
]

test('each byte stands at its address, holes read as frames say, and OUT.map lists them', async (t) => {
  const out = path.join(await scratch(t), 'image.raw')
  const { status, stderr } = await runTool('raw-sink', [out], transmission(stream(body, frames)))
  t.is(status, 2, stderr)
  t.deepEqual(await readFile(out), EXPECTED)
  t.is((await stat(out)).mode & 0o777, 0o600)
  t.is((await stat(`${out}.map`)).mode & 0o777, 0o600)
  const map = decodeMapfile(await readFile(`${out}.map`))
  t.deepEqual(map.blocks, MAP)
  t.is(map.status, '+')
  const { stdout } = await run('ddrescuelog', ['-t', `${out}.map`])
  t.regex(stdout, /bad-sector: +4096 B/)
  t.regex(stdout, /rescued: +16384 B/)
  t.regex(stderr, /4.0 KiB unreadable, 16.0 KiB absent or never tried: .*image.raw.map lists them/)
})

test('standard output is given the same bytes', async (t) => {
  const { status, stdout, stderr } = await runTool('raw-sink', ['-'], transmission(stream(body, frames)))
  t.is(status, 2)
  t.deepEqual(stdout, EXPECTED)
  t.regex(stderr, /not recorded/)
})

test('--fill zero writes zeros for what has no bytes, and says what that means for digests', async (t) => {
  const digest: Frame = {
    type: 'digest',
    stream: 1,
    time: 0n,
    body: { algorithm: 'sha256', value: '00', covers: 'linear' },
  }
  const input = transmission(stream(body, [...frames, digest]))
  const { stdout, stderr } = await runTool('raw-sink', ['--fill', 'zero', '-'], input)
  const expected = Buffer.from(EXPECTED).fill(0, 0x3000, 0x4000).fill(0, 0x5000, 0x6000)
  t.deepEqual(stdout, expected)
  t.regex(stderr, /digests of the stream no longer apply/)
})

test('--holes seek gives the same bytes, and holes where they are zero', async (t) => {
  const out = path.join(await scratch(t), 'image.raw')
  const far = 0x4000_0000n
  const zeros = Buffer.alloc(0x100000)
  zeros.fill('x', 0x80000, 0x80100)
  const { status } = await runTool(
    'raw-sink',
    ['--holes', 'seek', out],
    transmission(
      stream(memory({ size: hex(2n * far) }), [
        ...frames,
        data(far, zeros),
        fill(far + 0x100000n, 0x800000n, 'zero'),
      ]),
    ),
  )
  t.is(status, 2)
  const { size, blocks } = await stat(out)
  t.is(BigInt(size), 2n * far)
  t.true(blocks * 512 < 0x40000, `${blocks * 512} bytes allocated`)
  const fd = fs.openSync(out, 'r')
  t.teardown(() => fs.closeSync(fd))
  const bytes = (at: bigint, length: number) => {
    const into = Buffer.alloc(length)
    fs.readSync(fd, into, 0, length, at)
    return into
  }
  t.deepEqual(bytes(0n, 0x9000), EXPECTED)
  t.deepEqual(bytes(far, zeros.length), zeros)
})

test('--holes skip joins what was read, and the map tells where it belongs', async (t) => {
  const out = path.join(await scratch(t), 'image.raw')
  await runTool('raw-sink', ['--holes', 'skip', out], transmission(stream(body, frames)))
  t.deepEqual(await readFile(out), Buffer.concat([A, Buffer.alloc(PAGE), Buffer.alloc(PAGE, 0x55), B]))
  t.deepEqual(decodeMapfile(await readFile(`${out}.map`)).blocks, MAP)
})

test('an image without holes has no map; an empty one is an empty file', async (t) => {
  const folder = await scratch(t)
  const [out, empty] = [path.join(folder, 'file.bin'), path.join(folder, 'empty')]
  const image = (size: number): StreamBody => ({ name: 'file.bin', kind: 'image', size: hex(size) })
  const input = transmission(stream(image(2 * PAGE), [data(0n, A), data(0x1000n, B)]))
  t.is((await runTool('raw-sink', [out], input)).status, 0)
  t.deepEqual(await readFile(out), Buffer.concat([A, B]))
  t.false(fs.existsSync(`${out}.map`))
  t.is((await runTool('raw-sink', [empty], transmission(stream(image(0), [])))).status, 0)
  t.is((await stat(empty)).size, 0)
})

test('chunks are decoded and freed of their padding', async (t) => {
  const chunk = Buffer.alloc(0x8000)
  chunk.fill('c', 0, 0x3000)
  const payload = deflateSync(chunk)
  const chunked = memory({ chunkSize: 0x8000 })
  const frame = data(0x1000n, payload, { codec: 'zlib', length: 0x3000n, padded: true })
  const { stdout } = await runTool('raw-sink', ['-'], transmission(stream(chunked, [frame])))
  t.deepEqual(stdout, Buffer.concat([Buffer.alloc(PAGE), chunk.subarray(0, 0x3000)]))
})

test('damaged chunks are refused at their address', async (t) => {
  const out = path.join(await scratch(t), 'image.raw')
  const bad = data(0x2000n, Buffer.from('nonsense'), { codec: 'zlib', length: 0x1000n })
  const { status, stderr } = await runTool(
    'raw-sink',
    [out],
    transmission(stream(memory(), [data(0x1000n, A), bad])),
  )
  t.is(status, 65)
  t.regex(stderr, /zlib chunk.*0x2000/)
  const partial = path.join(path.dirname(out), 'image.partial.raw')
  t.is((await stat(partial)).size, 0x2000)
  t.deepEqual(decodeMapfile(await readFile(`${partial}.map`)).blocks.at(-1), {
    start: 0x1000n,
    length: 0x1000n,
    status: '+',
  })
})

for (const holes of ['write', 'seek', 'skip'])
  test(`--holes ${holes}: what came before a cut is kept, and the map tells how far it goes`, async (t) => {
    const folder = await scratch(t)
    const out = path.join(folder, 'image.raw')
    const { status, stderr } = await runTool(
      'raw-sink',
      ['--holes', holes, out],
      cut(body, frames.slice(0, 2)),
    )
    t.is(status, 3, stderr)
    t.false(fs.existsSync(out))
    const partial = path.join(folder, 'image.partial.raw')
    // The last frame before a cut does not count: no header behind it vouches for it.
    t.deepEqual(await readFile(partial), holes === 'skip' ? A : EXPECTED.subarray(0, 0x2000))
    const map = decodeMapfile(await readFile(`${partial}.map`))
    t.is(map.status, '?')
    t.deepEqual(map.blocks, [
      { start: 0n, length: 0x1000n, status: '?' },
      { start: 0x1000n, length: 0x1000n, status: '+' },
      { start: 0x2000n, length: 0x7000n, status: '?' },
    ])
  })

for (const [how, announced] of [
  ['announced', { ranges: ranges([0n, 0x1000n], [TiB, 0x1000n]) }],
  ['found on the way', {}],
] as const)
  test(`a hole of 1 TiB, ${how}, is not written to a pipe`, async (t) => {
    const input = transmission(stream(memory(announced), [data(0n, A), data(TiB, B)]))
    const { status, stdout, stderr } = await runTool('raw-sink', ['-'], input)
    t.is(status, 73)
    t.regex(stderr, /1024 GiB of zeros stand for addresses that hold nothing/)
    t.regex(stderr, /hint: --holes seek/)
    t.true(stdout.length <= PAGE)
  })

test('an address that no file has is refused before a byte, and leaves no file', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'image.raw')
  const top = 1n << 60n
  const input = transmission(stream(memory({ ranges: ranges([top, 0x1000n]) }), [data(top, A)]))
  const { status, stderr } = await runTool('raw-sink', ['--holes', 'seek', out], input)
  t.is(status, 73)
  t.regex(stderr, /image.raw: the file system has no files of 1.0 EiB, which its addresses need/)
  t.regex(stderr, /hint: --holes skip/)
  t.deepEqual(fs.readdirSync(folder), [])
  t.is((await runTool('raw-sink', ['--holes', 'skip', out], input)).status, 0)
  t.deepEqual(await readFile(out), A)
})

test('whether a file may reach 2^52 is asked of the file system', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'image.raw')
  const top = 1n << 52n
  const probe = fs.openSync(path.join(folder, 'probe'), 'w')
  let holds = true
  try {
    fs.ftruncateSync(probe, Number(top + 0x1000n))
  } catch {
    holds = false
  }
  fs.closeSync(probe)
  fs.rmSync(path.join(folder, 'probe'))
  const input = transmission(stream(memory({ ranges: ranges([top, 0x1000n]) }), [data(top, A)]))
  const { status, stderr } = await runTool('raw-sink', ['--holes', 'seek', out], input)
  t.is(status, holds ? 0 : 73, stderr)
  if (!holds) {
    t.regex(stderr, /no files of 4.0 PiB/)
    t.deepEqual(fs.readdirSync(folder), [])
  }
})

for (const [what, injected, tools] of [
  ['fails', 'error=EIO:when=1+', ['raw-sink', 'elf-sink', 'lime-sink']],
  ['fails the second time', 'error=EIO:when=2+', ['raw-sink']],
  ['kills', 'signal=KILL:when=1', ['raw-sink', 'elf-sink', 'lime-sink']],
] as const)
  test(`to ask for a size leaves no image of zeros where that ${what}`, async (t) => {
    for (const name of tools) {
      const folder = await scratch(t)
      const { status, stderr } = await runTool(
        name,
        [path.join(folder, 'image')],
        transmission(stream(memory({ ranges: ranges([0n, 0x1000n]) }), [data(0n, A)])),
        {
          prefix: [
            'strace',
            '-fqo',
            '/dev/null',
            '-e',
            'trace=ftruncate',
            '-e',
            `inject=ftruncate:${injected}`,
          ],
        },
      )
      t.is(status, what === 'fails' ? 74 : what === 'kills' ? null : 0, `${name}: ${stderr}`)
      const left = fs.readdirSync(folder).map((file) => [file, fs.statSync(path.join(folder, file)).size > 0])
      t.deepEqual(
        left,
        what === 'fails' ? [] : [what === 'kills' ? ['image.partial', false] : ['image', true]],
        name,
      )
    }
  })

test('options that make no sense are refused', async (t) => {
  const out = path.join(await scratch(t), 'image.raw')
  const input = transmission(stream(body, frames))
  for (const [words, message] of [
    [['--holes', 'sink', out], /--holes sink: not one of write, seek, skip/],
    [['--fill', 'ones', out], /--fill ones: not one of text, zero/],
    [['--holes', 'seek', '-'], /standard output: --holes seek needs a regular file/],
    [['--holes', 'skip', '-'], /standard output: --holes skip needs a regular file/],
    [['--holes', 'seek', '/dev/null'], /\/dev\/null: --holes seek needs a regular file/],
  ] as const) {
    const { status, stderr } = await runTool('raw-sink', words, input)
    t.is(status, 64)
    t.regex(stderr, message)
  }
  t.false(fs.existsSync(out))
})

test('an image or a map that is there stays, and -t replaces both', async (t) => {
  const out = path.join(await scratch(t), 'image.raw')
  const holes = transmission(stream(body, frames))
  const whole = transmission(stream(memory(), [data(0n, A)]))
  await runTool('raw-sink', [out], holes)
  t.is((await runTool('raw-sink', [out], whole)).status, 73)
  fs.rmSync(out)
  const { status, stderr } = await runTool('raw-sink', [out], whole)
  t.is(status, 73)
  t.regex(stderr, /image.raw.map: file exists/)
  t.is((await runTool('raw-sink', ['-t', out], whole)).status, 0)
  t.deepEqual(await readFile(out), A)
  t.false(fs.existsSync(`${out}.map`), 'the old map does not describe the new image')
  t.is((await runTool('raw-sink', ['-t', out], holes)).status, 2)
  t.true(fs.existsSync(`${out}.map`))
})

test('several streams are refused and listed, and --stream takes one', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.raw')
  const image = (name: string): StreamBody => ({ name, kind: 'image', size: hex(PAGE) })
  const input = transmission([...stream(image('a'), [data(0n, A)]), ...stream(image('b'), [data(0n, B)], 2)])
  const { status, stderr } = await runTool('raw-sink', [out], input)
  t.is(status, 65)
  t.regex(stderr, /more than one stream: a, b/)
  t.is((await runTool('raw-sink', ['-t', '--stream', 'b', out], input)).status, 0)
  t.deepEqual(await readFile(out), B)
})

test('the helper files of an acquisition do not count against its memory map', async (t) => {
  const helper = { name: '/proc/version', kind: 'image', size: hex(PAGE) } as const
  const input = transmission([...stream(memory(), [data(0n, A)]), ...stream(helper, [data(0n, B)], 2)])
  const { status, stdout } = await runTool('raw-sink', ['-'], input)
  t.is(status, 0)
  t.deepEqual(stdout, A)
})

test('ranges in no order go to a file, not to a pipe', async (t) => {
  const out = path.join(await scratch(t), 'image.raw')
  const unordered = memory({ ordered: false, size: hex(3 * PAGE) })
  const input = transmission(stream(unordered, [data(0x2000n, B), data(0n, A)]))
  t.is((await runTool('raw-sink', [out], input)).status, 0)
  t.deepEqual(await readFile(out), Buffer.concat([A, Buffer.alloc(PAGE), B]))
  const { status, stderr } = await runTool('raw-sink', ['-'], input)
  t.is(status, 65)
  t.regex(stderr, /PhysicalMemory: its ranges come in no order/)
})

test('a full disk ends it with what was written before', async (t) => {
  const { status, stderr } = await runTool(
    'raw-sink',
    ['/dev/full'],
    transmission(stream(memory(), [data(0n, A)])),
  )
  t.is(status, 74)
  t.regex(stderr, /\/dev\/full: no space left on device/)
})

test('no map is left beside an image where the disk has no room for one', async (t) => {
  const folder = await scratch(t)
  const blocks = Array.from({ length: 20 }, (_, i) => data(BigInt(i) << 16n, Buffer.alloc(1 << 16, i + 1)))
  const { status } = await runTool(
    'raw-sink',
    [path.join(folder, 'image.raw')],
    transmission(stream(memory(), blocks)),
    {
      prefix: [
        ...['unshare', '--map-root-user', '--mount', 'bash', '-c'],
        'at=$1; shift; mount -t tmpfs -o size=1M tmpfs "$at"; "$@"; s=$?; exit $((s * $(ls "$at" | wc -l)))',
        ...['full', folder],
      ],
    },
  )
  t.is(status, 74)
})

for (const holes of ['write', 'seek', 'skip'])
  test(`--holes ${holes}: where a file can't grow on, its map claims only what is in it`, async (t) => {
    const folder = await scratch(t)
    const blocks = Array.from({ length: 40 }, (_, i) =>
      data(BigInt(i) * 0x20000n + 0x1000n, Buffer.alloc(0x20000 - 0x800, i + 1)),
    )
    const { status, stderr } = await runTool(
      'raw-sink',
      ['--holes', holes, path.join(folder, 'image.raw')],
      transmission(stream(memory(), blocks)),
      {
        prefix: ['bash', '-c', 'ulimit -f 2048; exec "$@"', 'limited'],
      },
    )
    t.is(status, 74, stderr)
    t.regex(stderr, /image.partial.raw: file too large\nhint: what came before is in .*image.partial.raw/)
    const image = await readFile(path.join(folder, 'image.partial.raw'))
    const map = decodeMapfile(await readFile(path.join(folder, 'image.partial.raw.map')))
    const readable = map.blocks.filter((block) => block.status === '+')
    t.true(readable.length >= 8)
    let joined = 0
    for (const { start, length } of readable) {
      const at = holes === 'skip' ? joined : Number(start)
      joined += Number(length)
      const value = Number((start - 0x1000n) / 0x20000n) + 1
      t.true(image.subarray(at, at + Number(length)).equals(Buffer.alloc(Number(length), value)))
    }
  })

test('any frames read back through any layout and its map', async (t) => {
  const folder = await scratch(t)
  const part = fc.record({
    gap: fc.constantFrom(0, 0, 0x1000, 0x12345),
    size: fc.oneof(fc.integer({ min: 1, max: 0x3000 }), fc.constantFrom(0x40000, 0x100000, 0x120000)),
    kind: fc.constantFrom('data', 'data', 'sparse', 'zero', 'unreadable', 'unknown', 'byte'),
  })
  let turn = 0
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 8 }), async (parts) => {
      let at = 0
      const sent: Frame[] = []
      const pieces: Buffer[] = []
      const known: Buffer[] = []
      for (const [i, { gap, size, kind }] of parts.entries()) {
        at += gap
        const content = Buffer.alloc(size, i + 1)
        if (kind === 'sparse' && size > 0x20000) content.fill(0, 0x10000, size - 1)
        pieces.push(Buffer.alloc(gap))
        if (kind === 'data' || kind === 'sparse') sent.push(data(BigInt(at), content))
        else {
          const value = kind === 'byte' ? i + 1 : undefined
          sent.push(fill(BigInt(at), BigInt(size), kind as 'zero', value))
          if (kind === 'zero') content.fill(0)
          if (kind === 'unreadable') text('UNREADABLEDATA', at, at + size).copy(content)
          if (kind === 'unknown') text('UNKNOWN', at, at + size).copy(content)
        }
        pieces.push(content)
        if (kind !== 'unreadable' && kind !== 'unknown') known.push(content)
        at += size
      }
      const input = transmission(stream(memory(), sent))
      const expected = Buffer.concat(pieces)
      for (const holes of ['write', 'seek', 'skip']) {
        const out = path.join(folder, `${turn++}.raw`)
        await writeFile(`${out}.map`, 'stale')
        const { status, stderr } = await runTool('raw-sink', ['-t', '--holes', holes, out], input)
        t.true(status === 0 || status === 2, stderr)
        const image = await readFile(out)
        t.true(image.equals(holes === 'skip' ? Buffer.concat(known) : expected), holes)
        if (fs.existsSync(`${out}.map`)) {
          const { blocks } = decodeMapfile(await readFile(`${out}.map`))
          const readable = blocks.filter((block) => block.status === '+')
          const fromMap = readable.map(({ start, length }) =>
            expected.subarray(Number(start), Number(start + length)),
          )
          t.true(Buffer.concat(fromMap).equals(Buffer.concat(known)))
        } else t.is(known.length, parts.length)
      }
    }),
    { numRuns: 12 },
  )
})
