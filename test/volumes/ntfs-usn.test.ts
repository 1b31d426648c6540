import { execFileSync, spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { content, encodeJournal } from '../formats/ntfs/encode-usn.js'
import { attributeOf, edit } from '../formats/ntfs/images/editor.js'
import { fls, istat } from '../formats/ntfs/images/peers.js'
import { makeVolume } from '../formats/ntfs/small-volume.js'
import { AGAIN, directory, FIRST, journalVolume, range, STORY } from './ntfs/journal-volume.js'

const usn = (...words: string[]) => spawnSync('bin/ntfs-usn', words, { encoding: 'utf8' })
const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))

test('lists records of all versions in order, over holes of terabytes, with the paths of today', async (t) => {
  const image = await journalVolume(t)
  t.deepEqual(
    fls(image)
      .filter(({ record }) => record > 64 && record < 68)
      .map(({ record, pathBytes }) => [record, pathBytes]),
    [
      [65, 'docs'],
      [66, 'docs/new'],
      [67, 'docs/new/f.txt'],
    ],
  )
  const { sequence } = istat(image, 66)
  t.is(sequence, directory.sequence)
  const { status, stdout, stderr } = usn('-v', image)
  t.is(
    stderr.replace(/0x[0-9a-f]+/, 'ID').replace(/^.*\$J: .*\n/, ''),
    'ntfs-usn: $Max: journal ID of 2019-03-03T12:35:06.4811892Z, at most 32.0 MiB, cut by 0 B, USNs from 2199023255552\n',
  )
  t.is(status, 0)
  const lines = linesOf(stdout)
  t.deepEqual(
    lines.map(([, , record, parent, reasons, name]) => [record, parent, reasons, name]),
    [
      ['66-1', '65-1', 'file-create', 'docs/old'],
      ['67-1', '66-1', 'data-extend,file-create,close', 'docs/new/f.txt'],
      ['66-1', '65-1', 'rename-old-name', 'docs/old'],
      ['66-1', '65-1', 'rename-new-name', 'docs/new'],
      ['70-9', '66-1', 'file-delete', 'docs/new/g\ufffd.txt'],
      ['40-1', '66-7', 'file-create', '$Orphan/lost'],
      ['40-1', '5-5', 'file-create', 'last'],
      ['67-1', '66-1', 'data-overwrite', 'docs/new/'],
    ],
  )
  t.deepEqual(
    lines.map(([place]) => place),
    [...encodeJournal(STORY, FIRST).offsets, ...encodeJournal([content('last'), range], AGAIN).offsets].map(
      String,
    ),
  )
  t.is(lines[7]![6], '4096+100')
  t.is(lines[0]![1], '2019-03-03T12:35:06.4811892Z')
})

/** A line of `usnjls -m`: version, length, file, parent, USN, time, reasons, sources, security id, flags, name. */
const foreignLines = (image: string) =>
  execFileSync('usnjls', ['-m', image], { encoding: 'utf8' })
    .trimEnd()
    .split('\n')
    .map((line) => line.split('|'))

/** What it calls a bit that it has no word for. */
const UNKNOWN = 'unknown'

test('tells what usnjls tells, every reason and flag by its name', async (t) => {
  const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit)
  const story = bits.map((bit) =>
    content(`bit ${bit}`, { reasons: bit, flags: bit, securityId: bit, file: { record: bit, sequence: 3 } }),
  )
  const image = await journalVolume(t, { first: 4n << 20n, again: 8n << 20n, story })
  withoutUnnamedData(image)
  const foreign = foreignLines(image)
  t.is(foreign.length, 33)
  const { status, stdout } = usn('--json', image)
  t.is(status, 0)
  const own = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.is(own.length, 34)
  for (const [index, fields] of foreign.entries()) {
    const [version, , file = '', parent = '', place = '', time, reasons, , securityId, flags, name] = fields
    const record = own[index]
    t.is(record.version, version)
    t.is(`${record.record}-${record.sequence}`, file)
    t.is(`${record.parent.record}-${record.parent.sequence}`, parent)
    t.is(BigInt(record.usn), BigInt(place))
    t.is(record.time, '2019-03-03T12:35:06.4811892Z')
    t.is(time, '1551616506.481189200')
    t.is(record.securityId, Number(securityId))
    t.is(record.name, name)
    t.is(record.reasons.length, 1)
    t.is(record.flags.length, 1)
    t.true(Number(reasons) > 0 && Number(flags) > 0)
  }
  const long = execFileSync('usnjls', ['-l', image], { encoding: 'utf8' })
  const words = [...long.matchAll(/^Reason: (.*)$/gm)].map(([, text]) =>
    text!.trim().toLowerCase().replaceAll('_', '-'),
  )
  for (const [index, word] of words.entries()) if (word !== UNKNOWN) t.is(own[index].reasons[0], word)
})

/** A journal that Windows made has none, and usnjls would read it. */
function withoutUnnamedData(image: string): void {
  const editor = edit({ file: image, manifest: { cluster: 4096, sector: 512, files: [], streams: [] } })
  editor.edit(64, (record) => {
    const attribute = attributeOf(record, 0x80)
    const at = attribute.byteOffset - record.byteOffset
    record.copyWithin(at, at + attribute.length)
    record.writeUInt32LE(record.readUInt32LE(24) - attribute.length, 24)
  })
  // It is root's; the folder is not.
  rmSync(image)
  writeFileSync(image, editor.bytes)
}

test('--rewind tells the newest first, with each path as it was', async (t) => {
  const { status, stdout } = usn('--rewind', await journalVolume(t))
  t.is(status, 0)
  t.deepEqual(
    linesOf(stdout).map((cells) => cells[5]),
    [
      'docs/new/',
      'last',
      '$Orphan/lost',
      'docs/new/g\ufffd.txt',
      'docs/new',
      'docs/old',
      'docs/old/f.txt',
      'docs/old',
    ],
  )
})

test('lone surrogates survive in JSON, and a damaged record costs itself alone', async (t) => {
  const offsets = encodeJournal(STORY, FIRST).offsets
  const damage = (bytes: Buffer) => bytes.writeUInt32LE(4, Number(offsets[1]! - FIRST))
  const { status, stdout, stderr } = usn('--json', await journalVolume(t, { damage }))
  t.is(status, 2)
  t.regex(stderr, /no record but a length of 4 \(72 bytes are passed over\)/)
  const own = stdout.trimEnd().split('\n')
  t.is(own.length, 7)
  t.true(own[3]!.includes('"path":"docs/new/g\\udc00.txt"'))
  t.like(JSON.parse(own[3]!), { version: '3.0', record: 70, sequence: 9, reasons: ['file-delete'] })
  t.like(JSON.parse(own[6]!), { version: '4.0', extents: [{ offset: '0x1000', length: '0x64' }] })
})

test('a volume without a journal is said to have none', (t) => {
  const { status, stdout, stderr } = usn(makeVolume(t, {}).image)
  t.is(status, 65)
  t.is(stdout, '')
  t.is(
    stderr,
    'ntfs-usn: no change journal: there is no $UsnJrnl in $Extend\nhint: a shadow copy may hold one that was deleted since: --snapshot N\n',
  )
})
