import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { parseWords } from '../../src/cli/launch.js'
import { createSampling, MOST_OF_STREAM } from '../../src/cli/sampling.js'
import type { Io } from '../../src/cli/tool.js'
import { dryRun } from '../../src/imager/dry-run.js'
import { imager } from '../../src/imager.js'
import { tool as readKcore } from '../../src/sources/read-kcore.js'
import { openShell, type Shell } from '../cli/shell.js'
import { craftKcore } from '../platform/linux/fixture.js'
import { silent } from '../sources/collect.js'

const MIB = 1 << 20

const put = ({ folder }: Shell, name: string, ...pieces: Uint8Array[]) =>
  fs.writeFileSync(path.join(folder, name), Buffer.concat(pieces))
const sizeOf = ({ folder }: Shell, name: string) => fs.statSync(path.join(folder, name)).size

interface Told {
  readonly pipeline: string
  readonly streams: readonly { name: string; bytes: string; sampled: string; ranges: unknown[] }[]
  readonly bytes: string
  readonly formats: readonly {
    format: string
    codec?: string
    bytes: string
    chosen: boolean
    fits?: boolean
  }[]
  readonly fileSystem?: { size: string; free: string }
  readonly refusal?: string
}

const estimateOf = ({ formats }: Told, format: string, codec?: string): number =>
  Number(formats.find((one) => one.format === format && one.codec === codec)!.bytes)

function isNear(t: ExecutionContext, estimate: number, real: number, what: string): void {
  t.true(Math.abs(estimate - real) <= real / 20 + 64 * 1024, `${what}: ${estimate} told, ${real} written`)
}

test('each codec takes what was told, and the dry run has written nothing', async (t) => {
  const shell = openShell(t)
  const words = Buffer.from('several words of a text that is not all alike 0123456789\n')
  put(shell, 'a', randomBytes(3 * MIB), Buffer.alloc(5 * MIB), Buffer.alloc(4 * MIB, words))
  put(shell, 'b', randomBytes(100_000))
  const before = fs.readdirSync(shell.folder)
  const { status, stdout, stderr } = await shell.run('pmem --dry-run --json -c snappy -i a b -o out.aff4')
  t.is(status, 0, stderr)
  t.deepEqual(fs.readdirSync(shell.folder), before)
  const told: Told = JSON.parse(stdout.toString())
  t.is(told.pipeline, 'file-cat -- a b | pmem-compress snappy | aff4-sink -- out.aff4')
  t.deepEqual(
    told.streams.map(({ name, bytes }) => [name, Number(bytes)]),
    [
      ['a', 12 * MIB],
      ['b', 100_000],
    ],
  )
  t.is(Number(told.bytes), 12 * MIB + 100_000)
  t.deepEqual(
    told.formats.filter(({ chosen }) => chosen).map(({ codec }) => codec),
    ['snappy'],
  )
  for (const codec of ['zlib', 'snappy', 'lz4', 'none']) {
    await shell.run(`pmem -q -c ${codec} -i a b -o ${codec}.aff4`)
    isNear(t, estimateOf(told, 'aff4', codec), sizeOf(shell, `${codec}.aff4`), codec)
  }
})

test('of a single file the images are told, too', async (t) => {
  const shell = openShell(t)
  put(shell, 'disk', randomBytes(3 * MIB), Buffer.alloc(25 * MIB), Buffer.alloc(4 * MIB, 'words of a text\n'))
  const { stdout } = await shell.run(
    'pmem --dry-run --json -i disk -o out.aff4; file-cat disk | ewf-sink -q out.E01',
  )
  const told: Told = JSON.parse(stdout.toString())
  isNear(t, estimateOf(told, 'ewf'), sizeOf(shell, 'out.E01'), 'ewf')
  t.is(estimateOf(told, 'raw'), sizeOf(shell, 'disk'))
  t.false(told.formats.some(({ format }) => format === 'elf'))
})

test('of what is large a part is read, here and there', async (t) => {
  const shell = openShell(t)
  put(shell, 'large', randomBytes(40 * MIB), Buffer.alloc(120 * MIB), randomBytes(40 * MIB))
  const { stdout } = await shell.run('pmem --dry-run --json -i large -o out.aff4')
  const told: Told = JSON.parse(stdout.toString())
  t.true(Number(told.streams[0]!.sampled) <= Number(MOST_OF_STREAM))
  t.true(Number(told.streams[0]!.sampled) > Number(MOST_OF_STREAM) / 2)
  isNear(t, estimateOf(told, 'aff4', 'none'), 80 * MIB, 'none')
})

const RAM = [
  [0x1000n, 0x9f000n],
  [0x100000n, 0x1f00000n],
  [0x100000000n, 0x100a00000n],
] as const

/** A copy of kcore, of which a third is noise, and its iomem. */
function writeKcore(shell: Shell): void {
  const base = 0xffff888000000000n
  const offset = (address: bigint) => address + 0x5000n
  const fd = fs.openSync(path.join(shell.folder, 'kcore'), 'w')
  const loads = RAM.map(([start, end]) => ({
    offset: offset(start),
    vaddr: base + start,
    paddr: start,
    length: end - start,
  }))
  fs.writeSync(fd, craftKcore(loads), 0)
  for (const [start, end] of RAM)
    for (let at = start; at < end; at += 3n << 20n)
      fs.writeSync(fd, randomBytes(MIB), 0, Math.min(MIB, Number(end - at)), Number(offset(at)))
  fs.ftruncateSync(fd, Number(offset(RAM.at(-1)![1])))
  fs.closeSync(fd)
  const lines = RAM.map(([start, end]) => `${start.toString(16)}-${(end - 1n).toString(16)} : System RAM\n`)
  fs.writeFileSync(path.join(shell.folder, 'iomem'), lines.join(''))
}

/** What the imager tells of that memory, as it would of its own. */
async function ofKcore({ folder }: Shell, ...words: string[]): Promise<string> {
  let printed = ''
  const io: Io = {
    interrupted: new AbortController().signal,
    ended: new AbortController().signal,
    batchesAlive: 2,
    frames: () => {
      throw new Error('reads no frames')
    },
    send: () => Promise.reject(new Error('sends no frames')),
    transmit: () => Promise.reject(new Error('sends nothing')),
    isOutput: () => false,
    print: async (text) => {
      printed += text
    },
  }
  const [kcore, iomem] = [path.join(folder, 'kcore'), path.join(folder, 'iomem')]
  const output = path.join(folder, 'out.aff4')
  const plan = {
    sources: [{ tool: 'pmem-read', words: ['--kcore', kcore, '--iomem', iomem] }],
    transforms: [{ tool: 'pmem-compress', words: ['zlib'] }],
    sink: { tool: 'aff4-sink', words: [output] },
  }
  const { options } = parseWords(imager('pmem').tool, ['--dry-run', '-o', output, ...words])
  await dryRun(plan, { options, io }, { io, log: silent, load: async () => readKcore })
  return printed
}

test('of a memory every format is told as its sink writes it', async (t) => {
  const shell = openShell(t)
  writeKcore(shell)
  const told: Told = JSON.parse(await ofKcore(shell, '--json'))
  t.deepEqual(
    told.streams[0]!.ranges,
    RAM.map(([start, end]) => ({
      start: `0x${start.toString(16)}`,
      length: `0x${(end - start).toString(16)}`,
    })),
  )
  const read = 'pmem-read-kcore -q --kcore kcore --iomem iomem'
  const { stderr } = await shell.run(
    `for sink in lime elf avml raw kdump crashdump; do ${read} | $sink-sink -q out.$sink; done
     ${read} | ewf-sink -q out.E01
     for codec in zlib snappy lz4 none; do ${read} | pmem-compress $codec | aff4-sink -q $codec.aff4; done`,
  )
  t.is(stderr, '')
  t.is(estimateOf(told, 'lime'), sizeOf(shell, 'out.lime'))
  t.is(estimateOf(told, 'raw'), sizeOf(shell, 'out.raw'))
  t.is(estimateOf(told, 'crashdump'), sizeOf(shell, 'out.crashdump'))
  for (const format of ['elf', 'avml', 'kdump'])
    isNear(t, estimateOf(told, format), sizeOf(shell, `out.${format}`), format)
  isNear(t, estimateOf(told, 'ewf'), sizeOf(shell, 'out.E01'), 'ewf')
  for (const codec of ['zlib', 'snappy', 'lz4', 'none'])
    isNear(t, estimateOf(told, 'aff4', codec), sizeOf(shell, `${codec}.aff4`), codec)
})

test('for people: ranges, sizes, the room that there is', async (t) => {
  const shell = openShell(t)
  writeKcore(shell)
  const text = await ofKcore(shell)
  t.regex(text, /^PhysicalMemory \(memory:physical\): 40.6 MiB, [\d.]+ MiB of it sampled$/m)
  t.regex(text, /^ {2}0x1000-0x9f000 {2}632 KiB$/m)
  t.regex(text, /out\.aff4: .* are free, of /)
  t.regex(text, /^ {2}aff4 zlib +about [\d.]+ MiB {2}fits, as asked for$/m)
  t.regex(text, /^ {2}raw +4\.0 GiB {2}(fits|does not fit)$/m)
})

test('a free space as df tells it, and the refusal that the run would meet', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `head -c 16M /dev/urandom > random; mkdir disk; unshare --map-root-user --mount bash -c '
       mount -t tmpfs -o size=8M tmpfs disk; head -c 1M /dev/zero > disk/other
       df -B1 --output=avail,size disk | tail -n 1
       pmem --dry-run --json -i random -o disk/out.aff4; echo $?; pmem -i random -o disk/out.aff4 >/dev/null; echo $?
       pmem --dry-run --ignore-space -i random -o disk/out.aff4 >/dev/null; echo $?
       pmem --dry-run --max-disk-usage 1M -i disk/other -o disk/out.aff4 >/dev/null; echo $?
       pmem --dry-run --max-disk-usage 90% -i disk/other -o disk/out.aff4 >/dev/null; echo $?; ls disk'`,
  )
  const [df, json, ...rest] = stdout.toString().trim().split('\n')
  const [free, size] = df!.trim().split(/ +/).map(Number)
  const told: Told = JSON.parse(json!)
  t.deepEqual([Number(told.fileSystem!.free), Number(told.fileSystem!.size)], [free, size])
  t.true(told.formats.every(({ fits }) => fits === false))
  t.deepEqual(rest, ['73', '73', '0', '0', '0', 'other'])
  const [first, , second] = stderr.split('\n')
  t.is(first, `pmem: ${told.refusal}`)
  t.is(second, first)
})

test('what can be read but once is not read', async (t) => {
  const { run } = openShell(t)
  const { status, stdout, stderr } = await run(
    `mkfifo p; echo evidence > file; (echo kept > p) & timeout 60 pmem --dry-run -v -i p file -o out.aff4 >/dev/null; cat p`,
  )
  t.is(status, 0)
  t.is(stdout.toString(), 'kept\n')
  t.regex(stderr, /p: skipped: a pipe, which can be read but once/)
})

test('a source that has nothing is told, with its status, beside what the others have', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(
    `echo words > file; pmem --dry-run -p file -i nowhere -o out.aff4; echo $?; pmem --dry-run -i nowhere -o out.aff4; echo $?`,
  )
  t.regex(stdout.toString(), /^file \(memory:pagefile\): 6 B/m)
  t.regex(stdout.toString(), /\n66\n66\n$/)
  t.regex(stderr, /^pmem: nowhere: no such file or directory$/m)
})

test('a stream that is taken out of a volume', async (t) => {
  const shell = openShell(t)
  put(shell, 'file', randomBytes(3 * MIB))
  const { stdout } = await shell.run(
    'pmem -q -i file -o out.aff4; pmem --dry-run --json -e file -o file.copy out.aff4; ls',
  )
  const [json, ...names] = stdout.toString().trim().split('\n')
  const told: Told = JSON.parse(json!)
  t.is(estimateOf(told, 'raw'), 3 * MIB)
  t.deepEqual(
    told.formats.filter(({ chosen }) => chosen).map(({ format }) => format),
    ['raw'],
  )
  t.deepEqual(names, ['file', 'out.aff4'])
})

for (const [words, message] of [
  ['--json -i file -o out.aff4', '--json: only with --dry-run'],
  ['--dry-run --plan -i file -o out.aff4', '--plan does not go with --dry-run'],
  ['--dry-run -V out.aff4', '-V does not go with --dry-run'],
] as const)
  test(`pmem ${words} is a usage error`, async (t) => {
    const { status, stderr } = await openShell(t).run(`pmem ${words}`)
    t.is(status, 64)
    t.true(stderr.startsWith(`pmem: ${message}\n`), stderr)
  })

test('pieces lie in their runs, ascending, and are no more than is read of a stream', (t) => {
  const lengths = fc.array(fc.bigInt({ min: 1n, max: 1n << 34n }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(lengths, (lengths) => {
      const pieces = createSampling().piecesOf(lengths.reduce((sum, length) => sum + length, 0n))
      let [start, read, count] = [0n, 0n, 0]
      for (const length of lengths) {
        let next = start
        for (const piece of pieces({ start, length })) {
          t.true(piece.start >= next && piece.length > 0n)
          next = piece.start + piece.length
          read += piece.length
          count++
        }
        t.true(next <= start + length)
        start += length + 0x1000n
      }
      t.true(count > 0 && read <= MOST_OF_STREAM)
    }),
  )
})
