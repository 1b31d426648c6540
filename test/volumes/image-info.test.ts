import { execFileSync } from 'node:child_process'
import { statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import type { Frame } from '../../src/frames/frame.js'
import { data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'

const NOTHING = Buffer.alloc(0)
const PAGE = Buffer.alloc(0x1000, 'A')
const TURTLE = `@prefix aff4: <http://aff4.org/Schema#> .
@prefix pmem: <https://pmem.dev/ns#> .
<> a pmem:LinuxMemory ; pmem:kernelRelease "6.1.0-test" ; pmem:physBase -4096 ; pmem:processors 2 ;
  pmem:vmcoreinfo "OSRELEASE=6.1.0-test\\nPAGESIZE=4096\\nKERNELOFFSET=1c00000\\n" .`
const META: Frame = { type: 'meta', stream: 1, time: 0n, turtle: TURTLE }
const BODY = memory({ size: hex(0x8000), ranges: ranges([0x1000n, 0x2000n], [0x5000n, 0x3000n]) })
const FRAMES = [META, data(0x1000n, PAGE), data(0x2000n, PAGE), data(0x5000n, PAGE)]
const WHOLE = transmission(stream(BODY, [...FRAMES, fill(0x6000n, 0x2000n, 'unreadable')]))

async function info(...words: string[]) {
  const { status, stdout, stderr } = await runTool('image-info', words, NOTHING)
  return { status, text: stdout.toString(), stderr }
}

async function write(sink: string, file: string, input = WHOLE): Promise<string> {
  const { status, stderr } = await runTool(sink, [file], input)
  if (status !== 0 && status !== 2) throw new Error(stderr)
  return file
}

test('a core tells its ranges and what it knows of the machine', async (t) => {
  const core = await write('elf-sink', path.join(await scratch(t), 'memory.core'))
  const { status, text } = await info(core)
  t.is(status, 0)
  t.regex(text, /^.*memory\.core\n {2}format +ELF core, 64 bit.*\n {2}category +memory:physical\n/)
  t.regex(
    text,
    /^ {2}size +0x8000, 32\.0 KiB\n {2}present +12288 bytes, 12\.0 KiB\n {2}unreadable +8192 bytes/m,
  )
  t.regex(text, /^ {2}kernel release +6\.1\.0-test$/m)
  t.regex(text, /^ {2}phys_base +-0x1000$/m)
  t.regex(text, /^ {2}VMCOREINFO +OSRELEASE=6\.1\.0-test, KERNELOFFSET=1c00000, 3 values$/m)
  t.regex(text, /^ {2}ranges +3\n +0x1000 +0x3000 +8\.0 KiB {2}present\n/m)
  t.regex(text, /^ +0x6000 +0x8000 +8\.0 KiB {2}unreadable\n$/m)
})

test('a volume and a core of the same stream tell the same facts and ranges', async (t) => {
  const folder = await scratch(t)
  const core = await write('elf-sink', path.join(folder, 'memory.core'))
  const volume = await write('aff4-sink', path.join(folder, 'memory.aff4'))
  const { status, text } = await info('--json', core, volume)
  t.is(status, 0)
  const [ofCore, ofVolume] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  t.like(ofCore, {
    file: core,
    format: 'elf',
    size: '0x8000',
    bytes: { present: '0x3000', zero: '0x0', unreadable: '0x2000', unknown: '0x0' },
    ranges: [
      { start: '0x1000', length: '0x2000', content: 'present' },
      { start: '0x5000', length: '0x1000', content: 'present' },
      { start: '0x6000', length: '0x2000', content: 'unreadable' },
    ],
  })
  const [first] = ofVolume!.streams as Record<string, unknown>[]
  t.is(first!.name, 'PhysicalMemory')
  t.deepEqual(first!.ranges, ofCore!.ranges)
  const facts = first!.facts as Record<string, string>
  t.like(facts, { system: 'Linux', kernelRelease: '6.1.0-test', physBase: '-4096', processors: '2' })
  t.like(ofCore!.facts as Record<string, string>, facts)
  t.deepEqual(ofVolume!.writtenBy, ['test-source 1', 'aff4-sink 0.1.0'])
})

test('a disk tells its partitions, or what it begins with', async (t) => {
  const folder = await scratch(t)
  const disk = path.join(folder, 'disk.img')
  writeFileSync(disk, '')
  truncateSync(disk, 64 << 20)
  execFileSync('sfdisk', ['-q', disk], { input: 'label: gpt\nsize=10M,name=one\nsize=20M,name=two\n' })
  const { text, status } = await info(disk)
  t.is(status, 0)
  t.regex(
    text,
    /^ {2}partitions +2, GPT, sectors of 512 bytes\n +1 +0x100000 +0xb00000 +10\.0 MiB {2}Linux, one\n/m,
  )
  writeFileSync(disk, '')
  truncateSync(disk, 8 << 20)
  execFileSync('mke2fs', ['-q', disk])
  t.regex((await info(disk)).text, /^ {2}begins with +an ext volume of Linux$/m)
})

test('many ranges are counted, and shown with --all', async (t) => {
  const many = Array.from({ length: 100 }, (_, index): [bigint, bigint] => [BigInt(index) * 0x2000n, 0x1000n])
  const frames = many.map(([start]) => data(start, PAGE))
  const input = transmission(stream(memory({ size: hex(200 * 0x1000), ranges: ranges(...many) }), frames))
  const core = await write('elf-sink', path.join(await scratch(t), 'memory.core'), input)
  const { text } = await info(core)
  t.regex(text, /^ {2}ranges +100$/m)
  t.is(text.match(/present$/gm)?.length, 40)
  t.regex(text, /^ {4}… 60 more: --all shows them$/m)
  t.is((await info('--all', core)).text.match(/present$/gm)?.length, 100)
})

test('what is incomplete, no image or not there has its exit status, and the others are told all the same', async (t) => {
  const folder = await scratch(t)
  const core = await write('elf-sink', path.join(folder, 'memory.core'))
  truncateSync(core, statSync(core).size - 0x2800)
  const cut = await info(core)
  t.is(cut.status, 2)
  t.regex(cut.text, /unknown$/m)
  await runTool('elf-sink', [path.join(folder, 'stump.core')], WHOLE.subarray(0, -300))
  const stump = await info(path.join(folder, 'stump.partial.core'))
  t.is(stump.status, 2)
  t.regex(stump.text, /^ {2}incomplete +its input was truncated/m)
  const zip = path.join(folder, 'packed')
  writeFileSync(zip, '\x1f\x8b\x08', 'latin1')
  const both = await info(zip, core)
  t.is(both.status, 65)
  t.regex(both.stderr, /^image-info: .*packed: is a gzip file\nhint: gzip -dc /)
  t.regex(both.text, /ELF core/)
  t.is((await info(path.join(folder, 'none'), core)).status, 66)
  t.is((await info('--format', 'floppy', core)).status, 64)
})
