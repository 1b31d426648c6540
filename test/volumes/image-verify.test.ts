import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { flipBit } from '../formats/aff4/flip.js'
import { data, hex, memory, ranges, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'

const NOTHING = Buffer.alloc(0)
const CONTENT = Buffer.alloc(3 << 20, 'evidence ')

async function verify(...words: string[]) {
  const { status, stdout, stderr } = await runTool('image-verify', words, NOTHING)
  return { status, lines: stdout.toString().trimEnd().split('\n'), stderr }
}

async function disk(folder: string, name = 'disk.raw'): Promise<string> {
  const file = path.join(folder, name)
  writeFileSync(file, CONTENT)
  return file
}

test('a format without checksums, with nothing beside it, is nothing that could be checked', async (t) => {
  const { status, lines } = await verify('test/data/linpmem-style.elf')
  t.is(status, 2)
  t.regex(lines[0]!, /^unchecked +checksums +\S+: nothing to compare: ELF core has no checksums$/)
  t.is(lines[1], '0 matched, 0 mismatched, 1 not checked, 0 that nobody can check')
})

test('digests beside a file are compared, as coreutils and LiME write them', async (t) => {
  const folder = await scratch(t)
  const file = await disk(folder)
  for (const algorithm of ['md5', 'sha256', 'sha512'])
    execFileSync('sh', ['-c', `cd '${folder}' && ${algorithm}sum disk.raw > disk.raw.${algorithm}`])
  writeFileSync(`${file}.sha1`, execFileSync('sh', ['-c', `sha1sum '${file}' | cut -c1-40 | tr -d '\\n'`]))
  const { status, lines } = await verify(file)
  t.is(status, 0)
  t.deepEqual(
    lines.slice(0, -1).map((line) => line.split(/ {2,}/).slice(0, 2)),
    ['MD5', 'SHA1', 'SHA256', 'SHA512'].map((name) => ['matched', `hash ${name}`]),
  )
  const bytes = Buffer.from(CONTENT)
  flipBit(bytes, 1_500_000)
  writeFileSync(file, bytes)
  const damaged = await verify('--json', file)
  t.is(damaged.status, 1)
  t.like(JSON.parse(damaged.lines[0]!), { outcome: 'mismatched', property: 'hash MD5', subject: file })
})

test('a digest of another file is none of this one', async (t) => {
  const file = await disk(await scratch(t))
  writeFileSync(`${file}.md5`, `${'0'.repeat(32)}  other.raw\n`)
  const { status, lines } = await verify(file)
  t.is(status, 2)
  t.regex(lines[0]!, /^unchecked +hash MD5 +\S+: \S+disk\.raw\.md5 holds none of this file$/)
})

test('volumes are checked as aff4-verify does, other images beside them', async (t) => {
  const folder = await scratch(t)
  const file = await disk(folder)
  execFileSync('sh', ['-c', `cd '${folder}' && md5sum disk.raw > disk.raw.md5`])
  const volume = 'test/data/aff4/Base-Allocated.aff4'
  const own = await runTool('aff4-verify', [volume], NOTHING)
  const { status, lines } = await verify(volume, file)
  t.is(status, 0)
  t.deepEqual(lines.slice(1, -1), own.stdout.toString().trimEnd().split('\n').slice(0, -1))
})

test('a file that is no image is a mismatch, and a stump is not called whole', async (t) => {
  const folder = await scratch(t)
  const packed = path.join(folder, 'packed')
  writeFileSync(packed, '\x1f\x8b\x08', 'latin1')
  const body = memory({ size: hex(0x2000), ranges: ranges([0n, 0x2000n]) })
  const sent = transmission(
    stream(body, [data(0n, Buffer.alloc(0x1000, 'x')), data(0x1000n, CONTENT.subarray(0, 4096))]),
  )
  await runTool('elf-sink', [path.join(folder, 'memory.core')], sent.subarray(0, -300))
  const { status, lines } = await verify(packed, path.join(folder, 'memory.partial.core'))
  t.is(status, 1)
  t.regex(lines[0]!, /^mismatched +image +\S+packed: is a gzip file$/)
  t.regex(lines[1]!, /^unchecked +incomplete +\S+: its input was truncated/)
  t.is((await verify(path.join(folder, 'none'))).status, 66)
})

test('a memory inside an E01 image is checked with its container, whose damage is told by addresses', async (t) => {
  const folder = await scratch(t)
  const file = path.join(folder, 'memory.E01')
  const body = memory({ size: hex(0x300000), ranges: ranges([0n, 0x300000n]) })
  await runTool('ewf-sink', [file], transmission(stream(body, [data(0n, randomBytes(0x300000))])))
  const sound = await verify(file)
  t.is(sound.status, 0)
  t.regex(sound.lines[0]!, /^matched +checksums +\S+: Adler-32 of each chunk, MD5 of the medium.*: 3\.0 MiB$/)
  const bytes = readFileSync(file)
  flipBit(bytes, 0x180000)
  writeFileSync(file, bytes)
  const damaged = await verify(file)
  t.is(damaged.status, 1)
  t.regex(damaged.lines[0]!, /^mismatched +content +\S+: 0x1[0-9a-f]+-0x1[0-9a-f]+: /)
  t.true(
    damaged.lines.some((line) => /^mismatched +whole /.test(line)),
    damaged.lines.join('\n'),
  )
})

test('the segments of a set are one image', async (t) => {
  const folder = await scratch(t)
  const content = randomBytes(3 << 20)
  const raw = path.join(folder, 'disk.raw')
  writeFileSync(raw, content)
  const script = `cd '${folder}' && ewfacquirestream -q -S 1048576 -t disk -d sha1 < disk.raw >&2 && ls disk.E*`
  const segments = execFileSync('sh', ['-c', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const files = segments
    .trim()
    .split('\n')
    .map((name) => path.join(folder, name))
  t.true(files.length > 2)
  const whole = await verify(...files)
  t.is(whole.status, 0)
  t.deepEqual(
    whole.lines.slice(0, -1).map((line) => line.split(/ {2,}/).slice(0, 2)),
    [
      ['matched', 'checksums'],
      ['matched', 'hash MD5'],
      ['matched', 'hash SHA1'],
    ],
  )
  rmSync(files[1]!)
  t.is((await verify(files[0]!)).status, 2)
})
