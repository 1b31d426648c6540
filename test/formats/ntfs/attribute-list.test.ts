import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import { findAttribute, type NtfsFile } from '../../../src/formats/ntfs/file.js'
import { openVolume } from '../../../src/formats/ntfs/volume.js'
import { bufferSource } from '../buffer-source.js'
import { listOf } from './images/damage.js'
import { type Editor, edit } from './images/editor.js'
import { image } from './images/image.js'
import { istat } from './images/peers.js'

/** It has 60 streams beside the unnamed one, in several records. */
const LISTED = 'streams/only named'

/** Entry of an attribute list: 4 length, 6 characters of its name, 16 record, 22 sequence number, 24 id, 26 name. */
function entriesOf(list: Buffer): Buffer[] {
  const entries: Buffer[] = []
  for (let at = 0; at < list.length; at += list.readUInt16LE(at + 4))
    entries.push(Buffer.from(list.subarray(at, at + list.readUInt16LE(at + 4))))
  return entries
}

const nameOf = (entry: Buffer): string => entry.toString('utf16le', 26, 26 + 2 * entry[6]!)
const holderOf = (entry: Buffer): number => entry.readUIntLE(16, 6)

/** Changes the list, and the sizes that its attribute claims. */
function relist(volume: Editor, change: (entries: Buffer[]) => Buffer[]): void {
  const list = listOf(volume, LISTED)
  const changed = Buffer.concat(change(entriesOf(list)))
  changed.copy(list)
  volume.edit(volume.record(LISTED), (record) => {
    for (let at = record.readUInt16LE(20); ; at += record.readUInt32LE(at + 4))
      if (record.readUInt32LE(at) === ATTRIBUTE.ATTRIBUTE_LIST) {
        for (const size of [48, 56]) record.writeBigUInt64LE(BigInt(changed.length), at + size)
        return
      }
  })
}

async function read(volume: Editor): Promise<{ file: NtfsFile; findings: string[] }> {
  const findings: string[] = []
  const opened = await openVolume(bufferSource(volume.bytes), ({ message }) => findings.push(message))
  return { file: await opened.file(volume.record(LISTED)), findings }
}

const streamsOf = (file: NtfsFile): string[] =>
  file.attributes
    .filter(({ type, name }) => type === ATTRIBUTE.DATA && name !== '')
    .map(({ name }) => name)
    .sort()

/** Names of the streams of the file that `istat` finds. */
function statedStreams(t: ExecutionContext, volume: Editor): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'volume')
  writeFileSync(file, volume.bytes)
  return istat(file, volume.record(LISTED))
    .attributes.filter(({ type, name }) => type === ATTRIBUTE.DATA && name !== '')
    .map(({ name }) => name)
    .sort()
}

const ODD_LISTS: readonly [string, (entries: Buffer[]) => Buffer[]][] = [
  ['in reverse', (entries) => entries.reverse()],
  ['without sequence numbers', (entries) => entries.map((entry) => entry.fill(0, 22, 24))],
  ['with one id for all', (entries) => entries.map((entry) => entry.fill(0x77, 24, 26))],
]

for (const [how, change] of ODD_LISTS)
  test(`a file has all its streams by an attribute list ${how}`, async (t) => {
    const small = await image('small')
    const volume = edit(small)
    relist(volume, change)
    const { file, findings } = await read(volume)
    t.deepEqual(findings, [])
    const streams = small.manifest.streams.filter(({ path, stream }) => path === LISTED && stream !== '')
    t.is(streams.length, 60)
    for (const { stream, sha256 } of streams) {
      const { value } = findAttribute(file, ATTRIBUTE.DATA, stream)!
      t.is(createHash('sha256').update(value!).digest('hex'), sha256!)
    }
  })

test('what the records of a file hold and its attribute list does not name is not lost', async (t) => {
  const volume = edit(await image('small'))
  relist(volume, (entries) => entries.slice(0, entries.length / 2))
  const listed = entriesOf(listOf(volume, LISTED)).map(nameOf)
  const { file, findings } = await read(volume)
  const streams = streamsOf(file)
  t.deepEqual(streams, statedStreams(t, volume))
  t.true(streams.some((name) => !listed.includes(name)))
  t.regex(findings.join('\n'), /its \$DATA in record \d+ is not in its attribute list/)
})

test('of two streams of one name the one counts that the attribute list names', async (t) => {
  const small = await image('small')
  const volume = edit(small)
  const named = entriesOf(listOf(volume, LISTED)).filter((entry) => nameOf(entry) !== '')
  const first = named[0]!
  const other = named.find((entry) => entry !== first && holderOf(entry) === holderOf(first))!
  relist(volume, (entries) => entries.filter((entry) => !entry.equals(first)))
  volume.edit(holderOf(first), (record) => {
    const name = record.indexOf(Buffer.from(nameOf(first), 'utf16le'))
    record.write(nameOf(other), name, 'utf16le')
  })
  const { file } = await read(volume)
  const { sha256 } = small.manifest.streams.find(
    ({ path, stream }) => path === LISTED && stream === nameOf(other),
  )!
  const { value } = findAttribute(file, ATTRIBUTE.DATA, nameOf(other))!
  t.is(createHash('sha256').update(value!).digest('hex'), sha256!)
})
