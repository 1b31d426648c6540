import test from 'ava'
import {
  allEntries,
  type Directory,
  type DirectoryEntry,
  findEntries,
  listDirectory,
  searchEntries,
} from '../../../src/formats/ntfs/directory.js'
import { openIndex } from '../../../src/formats/ntfs/index.js'
import { builtInUpCase, compareNames } from '../../../src/formats/ntfs/up-case.js'
import { buildTree, encodeNameEntry, partsOf, type TestName } from './encode-index.js'
import { makeVolume, openImage } from './small-volume.js'

const POSIX = 0
const WIN32 = 1
const DOS = 2
const entries: TestName[] = [
  { name: 'a long name.txt', record: 40, namespace: WIN32 },
  { name: 'ALONGN~1.TXT', record: 40, namespace: DOS },
  { name: 'ORPHAN~1.TXT', record: 41, namespace: DOS },
  { name: 'one link', record: 42, namespace: POSIX },
  { name: 'another link', record: 42, namespace: POSIX },
  { name: 'same', record: 43, namespace: WIN32 },
  { name: 'SAME', record: 43, namespace: DOS },
  { name: 'Twice', record: 44, namespace: POSIX },
  { name: 'TWICE', record: 45, namespace: POSIX },
]

async function directoryOf(t: Parameters<typeof makeVolume>[0], names: readonly TestName[]) {
  const { volume } = await openImage(makeVolume(t, {}).bytes)
  const encode = (name: TestName, child?: number) => encodeNameEntry(name, child)
  const directory: Directory = {
    volume,
    reference: { record: 5, sequence: 5 },
    index: openIndex(partsOf(buildTree(names, encode, { width: 3 }))),
    damaged: false,
  }
  return directory
}

async function collect(batches: AsyncIterable<readonly DirectoryEntry[]>): Promise<string[]> {
  const names: string[] = []
  for await (const batch of batches) names.push(...batch.map(({ name }) => name))
  return names
}

const ordered = [...entries].sort((a, b) => compareNames(builtInUpCase(), a.name, b.name))

test('a short name is hidden beside its long one, and shown alone; links all are', async (t) => {
  const directory = await directoryOf(t, ordered)
  t.deepEqual(await collect(listDirectory(directory)), [
    'a long name.txt',
    'another link',
    'one link',
    'same',
    'TWICE',
    'Twice',
    'ORPHAN~1.TXT',
  ])
  t.is((await collect(allEntries(directory))).length, entries.length)
})

test('short names lead to their files; one file of two names is no question, two files are', async (t) => {
  const directory = await directoryOf(t, ordered)
  const records = async (name: string) => (await findEntries(directory, name)).map(({ record }) => record)
  t.deepEqual(await records('alongn~1.txt'), [40])
  t.deepEqual(await records('orphan~1.txt'), [41])
  t.deepEqual(
    (await findEntries(directory, 'sAmE')).map(({ name }) => name),
    ['same'],
  )
  t.deepEqual(await records('Twice'), [44])
  t.deepEqual(await records('TWICE'), [45])
  t.deepEqual((await records('twice')).sort(), [44, 45])
  t.deepEqual(await records('thrice'), [])
})

test('what a tree that is out of order does not lead to is found by a search', async (t) => {
  const directory = await directoryOf(t, [...ordered].reverse())
  for (const { name, record } of entries)
    t.deepEqual(
      (await searchEntries(directory, name)).map((entry) => entry.record),
      [record],
      name,
    )
  t.deepEqual(await searchEntries(directory, 'thrice'), [])
})
