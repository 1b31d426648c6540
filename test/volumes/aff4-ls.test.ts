import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'
import { data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'

const REFERENCE = 'test/data/aff4/Base-Allocated.aff4'
const DREAM = 'test/data/aff4/dream.aff4'

interface Row {
  [column: string]: string
}

async function list(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await runTool('aff4-ls', words, Buffer.alloc(0))
  if (status !== 0) throw new Error(stderr)
  return stdout.toString()
}

/** No cell of these holds two spaces. */
function rowsOf(table: string): Row[] {
  const [titles, ...rows] = table
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/))
  return rows.map((cells) => Object.fromEntries(cells.map((cell, index) => [titles![index], cell])))
}

test('lists a disk by its kind, sizes, compression and times, what backs it left out', async (t) => {
  const [disk, ...others] = rowsOf(await list(REFERENCE))
  t.deepEqual(others, [])
  t.like(disk, { KIND: 'disk', SIZE: '268435456', STORED: '3047794', COMPRESSION: 'snappy' })
  t.like(disk, { CREATED: '2016-12-07T03:40:07.588Z', MODIFIED: '2016-12-07T03:40:07.625Z' })
  t.is(disk!.INCOMPLETE, 'unknown:243269632')
})

test('lists a logical file under its path with its digests and times', async (t) => {
  const [file] = rowsOf(await list(DREAM))
  t.like(file, { KIND: 'file', SIZE: '8688', STORED: '3519', COMPRESSION: 'deflate' })
  t.is(file!.NAME, './test_images/AFF4-L/dream.txt')
  t.true(file!.HASHES!.startsWith('md5:75d83773f8d431a3ca91bfb8859e486d,sha1:9ae1b46bead70c322eef'))
  t.is(file!.MODIFIED, '2018-09-17T13:42:20+10:00')
})

test('stored size and compression of every codec are those that unzip tells', async (t) => {
  const folder = await scratch(t)
  for (const codec of ['none', 'zlib', 'snappy', 'lz4']) {
    const volume = path.join(folder, `${codec}.aff4`)
    const script = `head -c 3000000 /dev/urandom > '${folder}/large'; bin/file-cat '${folder}/large' | bin/pmem-compress ${codec} | bin/aff4-sink '${volume}'`
    t.is(spawnSync('bash', ['-ec', script]).status, 0)
    const [row] = rowsOf(await list(volume))
    const members = spawnSync('unzip', ['-lv', volume], { encoding: 'utf8' }).stdout
    const [, stored] = /^ *\d+ +\S+ +(\d+) .*\/00000000$/m.exec(members)!
    t.is(row!.STORED, stored)
    t.is(row!.SIZE, '3000000')
  }
})

test('--map prints start, end, length and content of the ranges', async (t) => {
  const volume = path.join(await scratch(t), 'memory.aff4')
  const frames = stream(memory({ ranges: ranges([0x1000n, 0x8000n]), size: hex(0x9000) }), [
    data(0x1000n, Buffer.alloc(0x1000, 'x')),
    fill(0x2000n, 0x1000n, 'zero'),
    fill(0x3000n, 0x2000n, 'unreadable'),
    fill(0x5000n, 0x1000n, 'byte', 0xaa),
    data(0x6000n, Buffer.alloc(0x3000, 'y')),
  ])
  await runTool('aff4-sink', [volume], transmission(frames))
  const text = await list('--map', volume)
  const [, row, ...map] = text.trimEnd().split('\n')
  t.regex(row!, /^memory +36864 .* memory:physical .* unreadable:8192 .* PhysicalMemory$/)
  t.deepEqual(
    map.map((line) => line.trim().split(/\s+/)),
    [
      ['0x1000', '0x2000', '0x1000', 'stored'],
      ['0x2000', '0x3000', '0x1000', 'zero'],
      ['0x3000', '0x5000', '0x2000', 'unreadable'],
      ['0x5000', '0x6000', '0x1000', 'byte:0xaa'],
      ['0x6000', '0x9000', '0x3000', 'stored'],
    ],
  )
  const [entry] = (await list('--json', '--map', volume))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.like(entry, { name: 'PhysicalMemory', kind: 'memory', size: '0x9000', incomplete: ['unreadable 8192'] })
  t.deepEqual(entry.map[0], { start: '0x1000', end: '0x2000', length: '0x1000', content: 'stored' })
  t.is(entry.map.length, 5)
})

test('a stream that did not come whole is told in its column, and why in JSON', async (t) => {
  const volume = path.join(await scratch(t), 'cut.aff4')
  const frames = stream(memory({ ranges: ranges([0n, 0x9000n]) }), [data(0n, Buffer.alloc(0x1000, 'x'))])
  await runTool('aff4-sink', [volume], transmission(frames).subarray(0, -200))
  const partial = volume.replace('.aff4', '.partial.aff4')
  const [row] = rowsOf(await list(partial))
  t.regex(row!.INCOMPLETE!, /^incomplete,unknown:\d+$/)
  const entry = JSON.parse(await list('--json', partial))
  t.regex(entry.incomplete[0], /ended/)
})

test('a volume that was cut is refused with the next step', async (t) => {
  const volume = path.join(await scratch(t), 'cut.aff4')
  await writeFile(volume, (await readFile(DREAM)).subarray(0, 4000))
  const { status, stderr } = await runTool('aff4-ls', [volume], Buffer.alloc(0))
  t.is(status, 65)
  t.regex(stderr, /no end of central directory.*\nhint: aff4-recover keeps what is whole/)
})

test('a name that would steer a terminal is shown harmless', async (t) => {
  const volume = path.join(await scratch(t), 'volume.aff4')
  const frames = stream(memory({ name: '\u001b]0;owned\u0007' }), [data(0n, Buffer.alloc(5000, 'x'))])
  await runTool('aff4-sink', [volume], transmission(frames))
  const text = await list(volume)
  t.true(text.includes('\\x1b]0;owned\\x07'))
  t.false(/\p{Cc}/u.test(text.replaceAll('\n', '')))
})
