import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import {
  type DirectoryEntry,
  entryState,
  listDirectory,
  openDirectory,
} from '../../../src/formats/ntfs/directory.js'
import { openFileIndex } from '../../../src/formats/ntfs/file-index.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { entryData, entryKey } from '../../../src/formats/ntfs/index-entry.js'
import { findInIndex, walkIndex } from '../../../src/formats/ntfs/index-walk.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import type { NtfsVolume } from '../../../src/formats/ntfs/volume.js'
import { deleteRecord, makeVolume, openImage, recordAt, rootBlocksAt } from './small-volume.js'

const names = Array.from({ length: 24 }, (_, at) => `a file with number ${at}.txt`)
const files = {
  ...Object.fromEntries(names.map((name) => [name, name])),
  ärger: 'x',
  'ärger:s': 'stream',
  Readme: '1',
  README: '2',
}

async function list(volume: NtfsVolume, record = 5): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = []
  for await (const batch of listDirectory(openDirectory(volume, await volume.file(record))))
    entries.push(...batch)
  return entries
}

const find = async (volume: NtfsVolume, path: string) =>
  (await findTarget(volume, parseTarget(path))).file.reference.record

/** `RECORD NAME` of the root by fls. */
const byFls = (image: string): string[] =>
  execFileSync('fls', [image], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^[^*]* (\d+)-\d+-\d+:\t([^:]*)/.exec(line))
    .filter((match) => match !== null && !match[2]!.startsWith('$Orphan'))
    .map((match) => `${match![1]} ${match![2]}`)
    .sort()

const withoutSelf = (entries: readonly DirectoryEntry[]) =>
  entries
    .filter(({ name }) => name !== '.')
    .map(({ record, name }) => `${record} ${name}`)
    .sort()

test('a directory holds what fls lists, and each name leads to its file in any case', async (t) => {
  for (const clusterSize of [512, 4096, 65536]) {
    const { image, bytes } = makeVolume(t, files, { clusterSize, size: 16 << 20 })
    const { volume, messages } = await openImage(bytes)
    const entries = await list(volume)
    t.deepEqual(withoutSelf(entries), [...new Set(byFls(image))])
    for (const { name, record } of entries) {
      t.is(await find(volume, `/${name}`), record, name)
      if (name.toLowerCase() !== 'readme') t.is(await find(volume, `\\${name.toUpperCase()}`), record, name)
    }
    t.is(await find(volume, '$extend/$OBJID'), await find(volume, '$Extend\\$ObjId'))
    t.deepEqual(messages, [])
  }
})

test('streams by their names; what is not there is said, and what there is', async (t) => {
  const { bytes } = makeVolume(t, files)
  const { volume } = await openImage(bytes)
  const target = await findTarget(volume, parseTarget('ÄRGER:S'))
  t.is(target.attribute?.name, 's')
  const { record } = target.file.reference
  const { id } = target.attribute!
  for (const form of [`${record}:128:s`, `${record}-128-${id}`, 'ärger:s:$DATA', `${record}-1:$DATA:S`])
    t.is((await findTarget(volume, parseTarget(form))).attribute?.name, 's', form)
  const fails = (path: string, message: RegExp, hint?: RegExp) =>
    t.throwsAsync(findTarget(volume, parseTarget(path))).then((error) => {
      t.regex(error!.message, message, path)
      if (hint) t.regex((error as { hint?: string }).hint ?? '', hint, path)
    })
  await fails('nothing/at/all', /^there is no nothing in the root$/)
  await fails('$Extend/nothing', /^there is no nothing in \$Extend$/)
  await fails('ärger/x', /no directory/)
  await fails('ärger:t', /has no stream t$/, /:128:, \d+:128:s$/)
  await fails('readme', /^2 files are called readme: \d+-1, \d+-1$/, /by its record/)
  await fails(`${record}-128-99`, /no \$DATA with id 99/, /128:s/)
  await fails(`${record}-9`, /has sequence number 1, not 9/, new RegExp(`/${record}-9`))
  await fails('99999999', /no record/)
  await fails('$Orphan/x', /deleted/)
})

/** Damages the root's index in an image, and looks that nothing is lost. */
async function survives(t: ExecutionContext, damage: (bytes: Buffer) => Promise<void>, said: RegExp) {
  const { bytes } = makeVolume(t, files)
  const before = await openImage(bytes)
  const expected = withoutSelf(await list(before.volume))
  const changed = Buffer.from(bytes)
  await damage(changed)
  const { volume, messages } = await openImage(changed)
  t.deepEqual(withoutSelf(await list(volume)), expected)
  t.true(
    messages.some((message) => said.test(message)),
    messages.join('\n'),
  )
  t.is(await find(volume, 'A FILE WITH NUMBER 7.TXT'), await find(before.volume, names[7]!))
}

test('what a destroyed block of an index held is found in $MFT', (t) =>
  survives(
    t,
    async (bytes) => {
      for (const at of await rootBlocksAt(bytes)) bytes.fill(0, at, at + 4096)
    },
    /has no signature/,
  ))

test('blocks that have changed places are found one by one', (t) =>
  survives(
    t,
    async (bytes) => {
      const [first, second] = await rootBlocksAt(bytes)
      const block = Buffer.from(bytes.subarray(first!, first! + 4096))
      bytes.copy(bytes, first!, second!, second! + 4096)
      block.copy(bytes, second!)
    },
    /bears VCN/,
  ))

test('a directory without an $INDEX_ROOT that can be used is listed from $MFT', (t) =>
  survives(
    t,
    async (bytes) => {
      const at = await recordAt(bytes, 5)
      for (let place = at + 56; place < at + 1000; place += 8)
        if (bytes.readUInt32LE(place) === 0x90) {
          bytes.writeUInt32LE(8, place + 16)
          return
        }
      t.fail('record 5 has no $INDEX_ROOT')
    },
    /looked for in \$MFT/,
  ))

test('an index is searched where something is stored, wherever its header says that is', async (t) => {
  const { bytes } = makeVolume(t, files)
  const at = await recordAt(bytes, 5)
  for (let place = at + 56; place < at + 1000; place += 8)
    if (bytes.readUInt32LE(place) === 0xa0) bytes.writeUInt8(31, place + 21)
  const { volume, messages } = await openImage(bytes)
  t.true((await list(volume)).length > Object.keys(files).length)
  t.is(await find(volume, 'a FILE with number 7.txt'), await find(volume, names[7]!))
  t.true(messages.some((message) => message.includes('no more than 4194304 are looked at')))
  t.true(messages.length < 20, String(messages.length))
})

test('an entry whose record has been given away is told, and its name leads nowhere', async (t) => {
  const { bytes } = makeVolume(t, { kept: 'a', reused: 'b', gone: 'c' })
  const { volume } = await openImage(bytes)
  const record = await find(volume, 'reused')
  const at = await recordAt(bytes, record)
  bytes.writeUInt16LE(7, at + 16)
  await deleteRecord(bytes, await find(volume, 'gone'))
  const { volume: later } = await openImage(bytes)
  const states: Record<string, string> = {}
  for (const entry of await list(later)) states[entry.name] = await entryState(later, entry)
  t.is(states.kept, 'live')
  t.is(states.reused, 'reallocated')
  t.is(states.gone, 'unused')
  await t.throwsAsync(find(later, 'reused'), { message: /given to another file/ })
})

test('a view index gives the data of its keys', async (t) => {
  const { volume } = await openImage(makeVolume(t, {}).bytes)
  const index = openFileIndex(volume, await volume.file(9), '$SII')
  const ids: number[] = []
  for await (const batch of walkIndex(index))
    for (const entry of batch) {
      const id = entryKey(entry).readUInt32LE(0)
      // The header of the descriptor in $SDS: its hash, its id.
      t.is(entryData(entry).length, 20)
      t.is(entryData(entry).readUInt32LE(4), id)
      ids.push(id)
    }
  t.true(ids.length > 1)
  for (const id of ids) {
    const found: number[] = []
    for await (const batch of findInIndex(index, (entry) => entryKey(entry).readUInt32LE(0) - id))
      found.push(...batch.map((entry) => entryKey(entry).readUInt32LE(0)))
    t.deepEqual(found, [id])
  }
  const root = await volume.file(5)
  t.throws(() => openFileIndex(volume, root, '$Q'), { message: /no \$INDEX_ROOT/ })
})
