import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Io } from '../../src/cli/tool.js'
import { tool } from '../../src/volumes/ntfs-dump.js'
import { printParts } from '../../src/volumes/printer.js'
import { attributeOf, type Editor, edit } from '../formats/ntfs/images/editor.js'
import { image, realImage } from '../formats/ntfs/images/image.js'
import { fls, icat, ntfsinfo } from '../formats/ntfs/images/peers.js'
import { scratch } from '../sinks/pipeline.js'
import { tell } from './ntfs/run.js'

async function dump(file: string, ...words: string[]): Promise<string> {
  const { status, stdout, messages } = await tell(tool, file, ...words)
  if (status !== 0) throw new Error(`${status}: ${messages.join('\n')}`)
  return stdout
}

function hexdump(bytes: Buffer): string {
  const { stdout, error } = spawnSync('hexdump', ['-C'], { input: bytes, maxBuffer: 1 << 28 })
  if (error) throw error
  return stdout.toString()
}

async function changed(t: ExecutionContext, change: (volume: Editor) => void): Promise<[Editor, string]> {
  const volume = edit(await image('small'))
  change(volume)
  const file = path.join(await scratch(t), 'image')
  writeFileSync(file, volume.bytes)
  return [volume, file]
}

/** Lines of a dump whose offsets are those of other bytes. */
const withoutOffsets = (text: string) => text.replace(/^[0-9a-f]{8}/gm, '')

test('streams are dumped as hexdump -C dumps what icat reads', async (t) => {
  const { file, manifest } = await image('512')
  const addresses = new Map(
    fls(file).map(({ record, pathBytes, address }) => [`${record} ${pathBytes}`, address]),
  )
  let compared = 0
  const folders = new Set<string>()
  for (const { record, path: name, stream, size } of manifest.streams) {
    const folder = `${path.dirname(name)} ${stream !== ''}`
    const address = addresses.get(
      `${record} ${Buffer.from(stream ? `${name}:${stream}` : name).toString('latin1')}`,
    )
    if (!address || size > 200_000 || /^(?:sparse|valid|lznt1)/.test(name)) continue
    if (folder !== '. false' && (folders.has(folder) || !folders.add(folder))) continue
    t.is(await dump(file, address), hexdump(icat(file, address)), name)
    compared++
  }
  t.true(compared > 20, String(compared))
})

test('compressed streams are decompressed', async (t) => {
  const { file } = await image('512')
  const { record } = fls(file).find(({ pathBytes }) => pathBytes === 'lznt1/prose')!
  t.is(await dump(file, 'lznt1/prose'), hexdump(icat(file, record)))
})

test('any attribute: by type and id, by type and name, as a stream', async (t) => {
  const { file } = await image('512')
  const root = hexdump(icat(file, '5-144'))
  t.is(await dump(file, '5:144:$I30'), root)
  const host = fls(file).find(({ pathBytes }) => pathBytes === 'streams/host:big')!
  const big = hexdump(icat(file, host.address))
  t.is(await dump(file, 'streams/host:big'), big)
  t.is(await dump(file, `${host.record}:$DATA:big`), big)
  t.is(await dump(file, host.address), big)
  const { status, messages } = await tell(tool, file, 'streams')
  t.is(status, 65)
  t.regex(messages.join('\n'), /has no unnamed \$DATA\nit has \d+:16, .*\d+:144:\$I30/)
})

test('holes and what was never written are told, not shown as zeros', async (t) => {
  const { file } = await image('512')
  const { record } = fls(file).find(({ pathBytes }) => pathBytes === 'sparse/holes')!
  const lines = (await dump(file, String(record))).split('\n')
  const told = lines.flatMap((line) => {
    const [, offset, length] = /^([0-9a-f]{8,}) {2}\[hole: (\d+) bytes without clusters\]$/.exec(line) ?? []
    return offset === undefined ? [] : [[Number.parseInt(offset, 16), Number(length)]]
  })
  const holes = ntfsinfo(file, record)
    .flatMap(({ runs }) => runs)
    .filter(({ lcn }) => lcn === undefined)
  t.deepEqual(
    told,
    // The last one lies behind the initialised size.
    holes.slice(0, -1).map(({ vcn, length }) => [vcn * 512, length * 512]),
  )
  t.true(holes.length > 5)
  t.regex(
    await dump(file, 'valid/tail'),
    /^[0-9a-f]{8} {2}\[never written: \d+ bytes behind the initialised size\]$/m,
  )
})

test('a terabyte of nothing is one line', async (t) => {
  const { file } = await image('512')
  const text = await dump(file, 'sparse/terabyte')
  t.true(text.length < 1_000_000)
  t.regex(text, /\n10000000000\n$/)
})

test('a record as it is on disk, and with its fixups undone', async (t) => {
  const { file, manifest } = await image('small')
  const volume = edit({ file, manifest })
  const record = volume.record('size-700')
  const at = volume.place(record)
  const raw = volume.bytes.subarray(at, at + volume.recordSize)
  t.is(await dump(file, String(record), '--record'), hexdump(raw))
  let fixed = Buffer.alloc(0)
  volume.edit(record, (bytes) => {
    fixed = Buffer.from(bytes)
  })
  t.notDeepEqual(fixed, raw)
  t.is(await dump(file, String(record), '--fixed'), hexdump(fixed))
  t.is(await dump(file, 'size-700', '--fixed'), hexdump(fixed))
  const used = fixed.readUInt32LE(24)
  t.is(
    withoutOffsets(await dump(file, 'size-700', '--fixed', '--slack')),
    withoutOffsets(hexdump(fixed.subarray(used))),
  )
})

test('the record of an attribute is the one that holds it', async (t) => {
  const { file, manifest } = await image('small')
  const volume = edit({ file, manifest })
  const record = volume.record('links/many')
  const [name] = ntfsinfo(file, record).filter((one) => one.type === 0x30 && one.record !== record)
  const at = volume.place(name!.record)
  t.is(
    await dump(file, String(name!.record), '--record'),
    hexdump(volume.bytes.subarray(at, at + volume.recordSize)),
  )
})

test('a torn record is shown, and the status says that it is', async (t) => {
  const [volume, file] = await changed(t, (volume) => {
    const end = volume.place(volume.record('size-100')) + volume.recordSize - 2
    volume.bytes.writeUInt16LE(volume.bytes.readUInt16LE(end) ^ 0xffff, end)
  })
  const record = String(volume.record('size-100'))
  const { status, stdout, messages } = await tell(tool, file, record, '--fixed')
  t.is(status, 2)
  t.deepEqual(messages, [`record ${record}: its sectors 1 are torn`])
  t.regex(stdout, /^00000000 {2}46 49 4c 45/)
  t.is((await tell(tool, file, record, '--record')).status, 0)
})

test('of a record that cannot be used its bytes are shown all the same', async (t) => {
  const [volume, file] = await changed(t, (volume) => {
    const at = volume.place(volume.record('size-100'))
    volume.bytes.fill(0xee, at, at + volume.recordSize)
  })
  const record = String(volume.record('size-100'))
  t.is(await dump(file, record, '--record'), hexdump(Buffer.alloc(volume.recordSize, 0xee)))
  const { status, messages } = await tell(tool, file, record, '--fixed')
  t.is(status, 65)
  t.deepEqual(messages, [
    `record ${record} has fixups where none can be (at 0x4)`,
    '--record shows it as it is on disk',
  ])
})

test('the slack of a file: what its last cluster holds behind its end', async (t) => {
  const { file, manifest } = await image('small')
  const { bytes, cluster } = edit({ file, manifest })
  const [data] = ntfsinfo(file, edit({ file, manifest }).record('size-300000')).filter(
    ({ type }) => type === 0x80,
  )
  const last = data!.runs.at(-1)!
  const end = (last.lcn! + last.length) * cluster
  const slack = bytes.subarray(end - (cluster - (300_000 % cluster)), end)
  const text = await dump(file, 'size-300000', '--slack')
  t.true(text.startsWith((300_000).toString(16).padStart(8, '0')))
  t.is(withoutOffsets(text), withoutOffsets(hexdump(slack)))
  const resident = await tell(tool, file, 'size-100', '--slack')
  t.like(resident, { status: 0, stdout: '' })
  t.is(resident.messages.length, 1)
})

test('the slack of a file by Windows holds the pattern that free space was filled with', async (t) => {
  const file = await realImage('ntfs-ptrn')
  t.regex(await dump(file, '2.txt', '--slack'), /\|(?:PTRN|TRNP|RNPT|NPTR){4}\|/)
})

test('a range of a stream', async (t) => {
  const { file } = await image('small')
  const { record } = fls(file).find(({ pathBytes }) => pathBytes === 'size-300000')!
  const whole = icat(file, record)
  const text = await dump(file, 'size-300000', '--range', '0x1003+100')
  t.is(withoutOffsets(text), withoutOffsets(hexdump(whole.subarray(0x1003, 0x1003 + 100))))
  t.regex(text, /^00001003 .*\n00001067\n$/s)
  t.regex(await dump(file, 'size-300000', '--range', '299990-400000'), /^000493d6 .*\n000493e0\n$/s)
  t.deepEqual((await tell(tool, file, 'size-300000', '--range', '300000+1')).status, 65)
})

test('what cannot be read is a line and a status', async (t) => {
  const [, file] = await changed(t, (volume) => {
    volume.edit(volume.record('size-300000'), (bytes) => {
      const attribute = attributeOf(bytes, 0x80)
      attribute.set([0x31, 0x4a, 0xff, 0xff, 0x7f, 0], attribute.readUInt16LE(32))
    })
  })
  const { status, stdout } = await tell(tool, file, 'size-300000')
  t.is(status, 2)
  t.is(
    stdout,
    '00000000  [unreadable: 300000 bytes: its run at cluster 8388607 leaves the volume]\n000493e0\n',
  )
})

test('as JSON: every byte, and where there are none', async (t) => {
  const { file } = await image('512')
  const { record } = fls(file).find(({ pathBytes }) => pathBytes === 'sparse/holes')!
  const objects = (await dump(file, '--json', String(record)))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { offset: string; length: string; kind: string; bytes?: string })
  const content = Buffer.concat(
    objects.map(({ bytes, length }) =>
      bytes === undefined ? Buffer.alloc(Number(length)) : Buffer.from(bytes, 'hex'),
    ),
  )
  t.deepEqual(content, icat(file, record))
  t.deepEqual([...new Set(objects.map(({ kind }) => kind))].sort(), ['bytes', 'hole', 'uninitialised'])
})

test('options that exclude each other are refused', async (t) => {
  const { file } = await image('small')
  t.deepEqual((await tell(tool, file, '5', '--record', '--fixed')).messages, [
    '--record and --fixed: one of them',
  ])
  t.is((await tell(tool, file, '5', '--slack', '--range', '0+1')).status, 64)
  t.is((await tell(tool, file, '5', '--range', '7')).status, 64)
})

test('a deleted file by its path', async (t) => {
  const { file, manifest } = await image('512')
  const { record } = manifest.streams.find(({ path }) => path === 'deleted/large')!
  t.is(await dump(file, '--deleted', 'deleted/large'), hexdump(icat(file, record, '-r')))
})

test('a signal ends a long dump', async (t) => {
  const pieces = async function* () {
    for (let at = 0; at < 1_000_000; at++) yield 'x'.repeat(70_000)
  }
  const stop = new AbortController()
  let printed = 0
  const io = {
    interrupted: stop.signal,
    print: async () => {
      printed++
      stop.abort('SIGINT')
    },
  } as Partial<Io> as Io
  await t.throwsAsync(printParts(io, pieces()), { message: 'interrupted by SIGINT' })
  t.true(printed < 1_000_000)
})
