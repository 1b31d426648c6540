import test from 'ava'
import { readDeletedLinks } from '../../../src/formats/ntfs/deleted-links.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { findLost } from '../../../src/formats/ntfs/lost.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import { walkOrphans } from '../../../src/formats/ntfs/tree.js'
import { attributeOf, type Editor, edit } from './images/editor.js'
import { image } from './images/image.js'
import { indexEntries } from './images/index-entries.js'
import { openImage } from './small-volume.js'

const FILE_NAME = 0x30

/** The entry that leads to a file leads to another one of its record. */
function unlist(editor: Editor, path: string): void {
  const entries = indexEntries(editor, editor.record(path), path.split('/').at(-1)!)
  if (entries.length === 0) throw new Error(`no entry leads to ${path}`)
  for (const entry of entries) entry.writeUInt16LE(entry.readUInt16LE(6) + 100, 6)
}

/** What the only name of a file tells of its directory. */
function hang(editor: Editor, path: string, record: number, sequence: number): void {
  editor.edit(editor.record(path), (bytes) => {
    const name = attributeOf(bytes, FILE_NAME)
    const at = name.readUInt16LE(20)
    name.writeUIntLE(record, at, 6)
    name.writeUInt16LE(sequence, at + 6)
  })
}

async function orphansOf(bytes: Buffer, messages: string[] = []): Promise<string[]> {
  const { volume } = await openImage(bytes, messages)
  const found: string[] = []
  for await (const { path, entries } of walkOrphans(volume, await readDeletedLinks(volume)))
    for (const { source, name, record } of entries)
      found.push(`${source} ${record} ${[...path, name].join('/')}`)
  return found
}

test('every file of a sound volume is listed somewhere', async (t) => {
  for (const name of ['small', 'crowded'] as const) {
    const { volume } = await openImage(edit(await image(name)).bytes)
    t.deepEqual(await findLost(volume), [])
  }
})

test('a file in use that no directory lists is found below $Orphan, and what a lost directory lists below that', async (t) => {
  const small = await image('small')
  const editor = edit(small)
  const before = await orphansOf(editor.bytes)
  const record = (path: string) => editor.record(path)
  unlist(editor, 'size-8')
  unlist(editor, 'size-100')
  hang(editor, 'size-100', record('links'), 9)
  unlist(editor, 'streams')
  unlist(editor, 'links/below')
  // A circle.
  unlist(editor, 'lznt1')
  hang(editor, 'lznt1', record('lznt1'), 0)
  const found = (await orphansOf(editor.bytes)).filter((line) => !before.includes(line))
  const below = (path: string) =>
    small.manifest.files.filter((file) => file.path.startsWith(`${path}/`)).map((file) => file.path)
  const expected = [
    ...['links/below', 'lznt1', 'size-100', 'size-8', 'streams'].map(
      (path) => `lost ${record(path)} $Orphan/${path.split('/').at(-1)}`,
    ),
    ...[...below('streams'), ...below('lznt1')].map((path) => `tree ${record(path)} $Orphan/${path}`),
    ...below('links/below').map((path) => `tree ${record(path)} $Orphan/${path.slice('links/'.length)}`),
  ]
  t.deepEqual(found.sort(), expected.sort())

  const { volume } = await openImage(editor.bytes)
  const links = readDeletedLinks(volume)
  const find = async (path: string) =>
    (await findTarget(volume, parseTarget(path), () => links)).file.reference.record
  t.is(await find('$Orphan/SIZE-100'), record('size-100'))
  t.is(await find('$Orphan/streams/folder'), record('streams/folder'))
  await t.throwsAsync(find('size-8'), { message: /^size-8: record .* given to another file/ })
})

test('where the root is lost all that it held is below $Orphan', async (t) => {
  const editor = edit(await image('small'))
  editor.bytes.write('GONE', editor.place(5), 'latin1')
  const messages: string[] = []
  const found = await orphansOf(editor.bytes, messages)
  t.true(found.includes(`lost ${editor.record('size-8')} $Orphan/size-8`))
  t.true(found.includes(`tree ${editor.record('streams/folder')} $Orphan/streams/folder`))
  t.true(messages.some((message) => message.startsWith('the root: ')))
})
