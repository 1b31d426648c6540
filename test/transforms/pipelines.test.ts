import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { sample } from '../codecs/samples.js'

const folder = mkdtempSync(path.join(tmpdir(), 'pmem-transforms-'))
const env = { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` }
const sh = (script: string) =>
  spawnSync('bash', ['-c', `set -o pipefail; ${script}`], { cwd: folder, env, encoding: 'utf8' })
const frameLines = (stdout: string) =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

let sha256 = ''
test.before(() => {
  const parts = Array.from({ length: 6 }, (_, i) => [
    sample('text', 700_000 + i),
    Buffer.alloc(1_500_000),
    sample('noise', 300_000),
  ])
  writeFileSync(path.join(folder, 'evidence'), Buffer.concat(parts.flat()))
  sha256 = execFileSync('sha256sum', ['evidence'], { cwd: folder, encoding: 'utf8' }).split(' ')[0]!
})
test.after.always(() => rmSync(folder, { recursive: true }))

for (const arguments_ of [
  'zlib',
  'zlib --level 9',
  'snappy',
  'lz4',
  'none',
  'snappy -j 1',
  'lz4 -j 3 --chunk-size 4k',
])
  test(`pmem-compress ${arguments_}: the bytes keep their digest through every stage`, (t) => {
    const { status, stdout, stderr } = sh(
      `file-cat evidence | pmem-chunk 64k | pmem-compress ${arguments_} | pmem-hash sha256 | pmem-compress zlib | pmem-decompress | pmem-hash sha256 | pmem-frames --json`,
    )
    t.is(status, 0, stderr)
    const frames = frameLines(stdout)
    t.is(frames.find(({ type }) => type === 'digest')?.body.value, sha256)
    t.deepEqual(
      frames[0].body.programs.map(({ name }: { name: string }) => name),
      [
        'file-cat',
        'pmem-chunk',
        'pmem-compress',
        'pmem-hash',
        'pmem-compress',
        'pmem-decompress',
        'pmem-hash',
        'pmem-frames',
      ],
    )
  })

test('zeros become holes and a higher level saves bytes', (t) => {
  const stored = (codec: string) => {
    const frames = frameLines(sh(`file-cat evidence | pmem-compress ${codec} | pmem-frames --json`).stdout)
    const holes = frames.filter(({ type, fill }) => type === 'fill' && fill === 'zero')
    t.is(holes.length, 6)
    return frames.at(-1).body.bytes
  }
  t.true(stored('zlib --level 9') < stored('zlib'))
  t.true(stored('zlib') < stored('none'))
})

test('an input that was cut stays cut, and what came is kept', (t) => {
  const cut = 'file-cat evidence | head -c 5000000 | pmem-compress snappy'
  const { stdout, status } = sh(`${cut} | pmem-frames --json`)
  t.is(status, 3)
  t.is(sh(`${cut} > /dev/null`).status, 3)
  const frames = frameLines(stdout)
  t.is(frames.at(-1).body.status, 'truncated')
  const last = frames.findLast(({ type }) => type === 'data' || type === 'fill')
  t.true(BigInt(last.offset) + BigInt(last.length) >= 4n << 20n)
})

test('payload CRCs are made anew, and a wrong one is refused', (t) => {
  t.is(sh('file-cat --crc evidence | pmem-compress --crc zlib | pmem-decompress | pmem-frames').status, 0)
  const { stderr } = sh(
    "file-cat --crc evidence > f; printf 'X' | dd of=f bs=1 seek=2000000 conv=notrunc status=none; pmem-compress snappy < f | pmem-frames",
  )
  t.regex(stderr, /^pmem-compress: .*CRC.*0x/)
})

for (const [command, named] of [
  ['pmem-compress gzip', 'gzip'],
  ['pmem-compress deflate', 'deflate'],
  ['pmem-compress snappy --level 3', '--level 3'],
  ['pmem-compress zlib --level 10', '--level 10'],
  ['pmem-compress zlib --level 0', '--level 0'],
  ['pmem-compress zlib -j 0', '--jobs 0'],
  ['pmem-compress zlib -j many', '--jobs many'],
  ['pmem-compress zlib --chunk-size 17M', '17M'],
  ['pmem-chunk 0', '0'],
  ['pmem-chunk 1.5k', '1.5k'],
] as const)
  test(`${command} is a usage error that names it`, (t) => {
    const { status, stdout, stderr } = sh(`${command} < /dev/null | cat`)
    t.is(status, 64)
    t.is(stdout, '')
    t.true(stderr.startsWith(`${command.split(' ')[0]}: ${named}: `), stderr)
  })
