import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { openImageFile } from '../../src/formats/image/image-file.js'
import { data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'
import { rangesOf, runSource } from './collect.js'

const PAGE = Buffer.alloc(0x1000, 'A')
const BODY = memory({ size: hex(0x6000), ranges: ranges([0x1000n, 0x1000n], [0x5000n, 0x1000n]) })
const FRAMES = [data(0x1000n, PAGE), data(0x5000n, PAGE)]

async function write(sink: string, file: string): Promise<string> {
  const { stderr, status } = await runTool(sink, [file], transmission(stream(BODY, FRAMES)))
  if (status !== 0) throw new Error(stderr)
  return file
}

test('the format is found by the content, never by the name', async (t) => {
  const file = await write('elf-sink', path.join(await scratch(t), 'memory.raw'))
  const { streams, status } = await runSource('image-cat', [file])
  t.is(status, 0)
  t.is(streams[0]!.body.name, 'PhysicalMemory')
  t.deepEqual(rangesOf(streams[0]!, 'data'), ['1000-2000', '5000-6000'])
  const raw = await runSource('image-cat', ['--format', 'raw', file])
  t.is(raw.streams[0]!.body.name, 'memory.raw')
  t.deepEqual(rangesOf(raw.streams[0]!, 'data').length, 1)
})

test('several images are a stream each, AFF4 volumes behind the others as one set', async (t) => {
  const folder = await scratch(t)
  const core = await write('elf-sink', path.join(folder, 'a.core'))
  const volume = await write('aff4-sink', path.join(folder, 'b.aff4'))
  const raw = path.join(folder, 'c.raw')
  writeFileSync(raw, PAGE)
  const { streams, status } = await runSource('image-cat', [volume, core, raw])
  t.is(status, 0)
  t.deepEqual(
    streams.map(({ body }) => body.name),
    [core, raw, 'PhysicalMemory'],
  )
})

test('what is packed, unknown or not there is refused with what it is', async (t) => {
  const folder = await scratch(t)
  const empty = path.join(folder, 'empty')
  writeFileSync(empty, '')
  t.like(await runSource('image-cat', [empty]), { status: 65 })
  t.like(await runSource('image-cat', [path.join(folder, 'none')]), { status: 66 })
  t.like(await runSource('image-cat', ['--format', 'floppy', empty]), { status: 64 })
  const elf = path.join(folder, 'program')
  writeFileSync(elf, readFileSync(process.execPath).subarray(0, 4096))
  const program = await runSource('image-cat', ['--format', 'elf', elf])
  t.is(program.status, 65)
  t.regex(program.stderr, /program: an ELF file of type \d, not a core/)
})

test('standard input is an image where a file stands there, and is refused where a pipe does', async (t) => {
  const file = await write('elf-sink', path.join(await scratch(t), 'memory.core'))
  const tool = path.resolve('bin/image-cat')
  const run = (script: string) => spawnSync('bash', ['-c', script, tool, file], { maxBuffer: 1 << 20 })
  t.is(run('"$0" - < "$1"').status, 0)
  const piped = run('cat "$1" | "$0" -')
  t.is(piped.status, 65)
  t.regex(piped.stderr.toString(), /cannot be read at any place\nhint: write it to a file first/)
})

for (const sink of ['elf-sink', 'ewf-sink'])
  test(`digests of a memory go through ${sink}, and are compared on the way back`, async (t) => {
    const folder = await scratch(t)
    const name = { 'elf-sink': 'memory.core', 'ewf-sink': 'memory.E01' }[sink]!
    const script = `${path.resolve('bin')}/pmem-hash sha256 md5 | ${path.resolve('bin')}/${sink} ${name}`
    const bad = fill(0x3000n, 0x1000n, 'unreadable')
    const body = memory({ size: hex(0x6000), ranges: ranges([0x1000n, 0x3000n], [0x5000n, 0x1000n]) })
    const frames = [data(0x1000n, PAGE), fill(0x2000n, 0x1000n, 'zero'), bad, data(0x5000n, PAGE)]
    const input = transmission(stream(body, frames))
    const { status, stderr } = spawnSync('bash', ['-c', script], { cwd: folder, input })
    t.is(status, 2, String(stderr))
    const file = path.join(folder, name)
    const verified = await runTool('image-verify', ['--json', file], Buffer.of())
    t.is(verified.status, 0, verified.stdout.toString())
    t.regex(verified.stdout.toString(), /sha256/i)
    const bytes = readFileSync(file)
    const at = bytes.indexOf(PAGE)
    if (at < 0) return
    bytes[at] = 0
    writeFileSync(file, bytes)
    t.is((await runTool('image-verify', [file], Buffer.of())).status, 1)
  })

test('who converts an image to E01 did not acquire it', async (t) => {
  const folder = await scratch(t)
  const core = await write('elf-sink', path.join(folder, 'memory.core'))
  const bin = path.resolve('bin')
  const script = `${bin}/image-cat ${core} | ${bin}/ewf-sink converted.E01; ${bin}/file-cat ${core} | ${bin}/ewf-sink acquired.E01`
  t.is(spawnSync('bash', ['-c', script], { cwd: folder }).status, 0)
  const factsOf = async (name: string) => {
    const image = await openImageFile(path.join(folder, name))
    await image.close()
    return image.facts
  }
  const { acquisitionTime, acquisitionTool } = await factsOf('converted.E01')
  t.deepEqual([acquisitionTime, acquisitionTool], [undefined, undefined])
  t.not((await factsOf('acquired.E01')).acquisitionTime, undefined)
})
