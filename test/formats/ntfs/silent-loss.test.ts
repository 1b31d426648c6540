import test, { type ExecutionContext } from 'ava'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import { readDeletedLinks } from '../../../src/formats/ntfs/deleted-links.js'
import { listDirectory, openDirectory } from '../../../src/formats/ntfs/directory.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import { walkTree } from '../../../src/formats/ntfs/tree.js'
import { RECORD } from '../../../src/formats/ntfs/volume.js'
import { attributeOf, type Editor, edit } from './images/editor.js'
import { type ImageName, image } from './images/image.js'
import { indexEntries } from './images/index-entries.js'
import { deleteRecord, openImage } from './small-volume.js'

const FILE = 'size-300000'
const CHILD = 1
const LAST = 2

/** What is said of a file after its record was changed. */
async function findings(change: (record: Buffer) => void, path = FILE): Promise<readonly string[]> {
  const editor = edit(await image('small'))
  const number = editor.record(path)
  editor.edit(number, change)
  const { volume } = await openImage(editor.bytes)
  return (await volume.file(number)).findings.map(({ message }) => message)
}

test('nothing is missed in sound records and directories', async (t) => {
  for (const name of ['small', 'crowded'] as const) {
    const { bytes } = edit(await image(name))
    const { volume, messages } = await openImage(bytes)
    for (let number = 0; number < volume.recordCount; number++) await volume.file(number).catch(() => {})
    for await (const _ of walkTree(volume, await volume.file(RECORD.ROOT)));
    await readDeletedLinks(volume)
    t.deepEqual(messages, [], name)
  }
})

test('an attribute whose type no volume has is reported', async (t) => {
  const messages = await findings((record) => attributeOf(record, ATTRIBUTE.DATA).writeUInt32LE(0x88))
  t.regex(messages.join(), /^record \d+: the attribute at \d+ has a type that is not known, 0x88$/)
})

test('a name of an attribute that never has one is reported', async (t) => {
  const messages = await findings((record) => {
    const information = attributeOf(record, ATTRIBUTE.STANDARD_INFORMATION)
    information.writeUInt8(1, 9)
    information.writeUInt16LE(24, 10)
  })
  t.regex(messages.join(), /^record \d+: \$STANDARD_INFORMATION at \d+ bears a name, which none does$/)
})

test('attributes behind what a record claims to use are reported', async (t) => {
  const messages = await findings((record) =>
    record.writeUInt32LE(attributeOf(record, ATTRIBUTE.DATA).byteOffset - record.byteOffset, 24),
  )
  t.regex(messages.join(), /^record \d+: its attributes have no end in its first \d+ bytes$/)
})

test('a stream in clusters that is marked as a value of no bytes is reported', async (t) => {
  const messages = await findings((record) => attributeOf(record, ATTRIBUTE.DATA).writeUInt8(0, 8))
  t.regex(
    messages.join(),
    /^record \d+: \$DATA at \d+ has a value of 0 bytes at 0, which leaves the attribute$/,
  )
})

test('a compressed stream that is no longer marked as one is reported', async (t) => {
  const messages = await findings(
    (record) => attributeOf(record, ATTRIBUTE.DATA).writeUInt16LE(0, 12),
    'lznt1/prose',
  )
  t.regex(messages.join(), /\$DATA at \d+: it has a compression unit of 2\^4 clusters, and is not marked as/)
})

async function namesInRoot(bytes: Buffer) {
  const { volume, messages } = await openImage(bytes)
  const directory = openDirectory(volume, await volume.file(RECORD.ROOT))
  const names: string[] = []
  for await (const entries of listDirectory(directory)) for (const { name } of entries) names.push(name)
  return { names: names.sort(), messages, damaged: directory.damaged }
}

async function listsAll(t: ExecutionContext, name: ImageName, change: (editor: Editor) => void) {
  const editor = edit(await image(name))
  const sound = await namesInRoot(editor.bytes)
  t.false(sound.damaged)
  change(editor)
  const damaged = await namesInRoot(editor.bytes)
  t.true(damaged.damaged)
  return { sound, damaged }
}

/** An entry of a name that others of its node follow. */
const entryInRoot = (editor: Editor): Buffer => indexEntries(editor, editor.record(FILE), FILE)[0]!

test('entries behind one that is marked as the last are found, and said to be off the tree', async (t) => {
  const { sound, damaged } = await listsAll(t, 'small', (editor) => {
    const entry = entryInRoot(editor)
    entry.writeUInt16LE(entry.readUInt16LE(12) | LAST, 12)
  })
  t.deepEqual(damaged.names, sound.names)
  t.regex(damaged.messages.join(), /the block at VCN \d+ ends \d+ bytes before what it uses/)
})

test('blocks that no entry leads to any more are found by the bitmap of the index', async (t) => {
  const { sound, damaged } = await listsAll(t, 'small', (editor) =>
    editor.edit(RECORD.ROOT, (record) => {
      const root = attributeOf(record, ATTRIBUTE.INDEX_ROOT)
      const node = root.readUInt16LE(20) + 16
      const first = node + root.readUInt32LE(node)
      root.writeUInt16LE(root.readUInt16LE(first + 12) & ~CHILD, first + 12)
    }),
  )
  t.deepEqual(damaged.names, sound.names)
  t.regex(damaged.messages.join(), /no branch leads to block \d+, which is in use/)
})

test('a name in an index that was cut short is reported, and the whole one is told from its record', async (t) => {
  const { damaged } = await listsAll(t, 'small', (editor) => entryInRoot(editor).writeUInt8(4, 16 + 64))
  t.true(damaged.names.includes(FILE))
  t.regex(damaged.messages.join(), /an entry has a key of 88 bytes, and its name ends before/)
})

test('records that a search for names cannot read are counted', async (t) => {
  const editor = edit(await image('small'))
  const number = editor.record(FILE)
  await deleteRecord(editor.bytes, number)
  editor.bytes.writeUInt16LE(0xfffe, editor.place(number) + 4)
  editor.bytes.write('FILF', editor.place(number + 1), 'latin1')
  const { volume, messages } = await openImage(editor.bytes)
  await readDeletedLinks(volume)
  t.deepEqual(messages, [`$MFT: 2 records, the first ${number}, are damaged; a name in there is not seen`])
})

test('directories in the tree whose records are not marked as in use are listed with the deleted, too', async (t) => {
  const editor = edit(await image('small'))
  const pathsOf = async (bytes: Buffer) => {
    const { volume, messages } = await openImage(bytes)
    const deleted = await readDeletedLinks(volume)
    const paths = new Set<string>()
    for await (const { path, entries } of walkTree(volume, await volume.file(RECORD.ROOT), { deleted }))
      for (const { name } of entries) paths.add([...path, name].join('/'))
    return { volume, messages, paths }
  }
  const sound = await pathsOf(editor.bytes)
  for (const number of [RECORD.ROOT, editor.record('streams')])
    editor.edit(number, (record) => record.writeUInt16LE(record.readUInt16LE(22) & ~1, 22))
  const { volume, messages, paths } = await pathsOf(editor.bytes)
  t.true(sound.paths.has('streams/host'))
  t.deepEqual([...paths].sort(), [...sound.paths].sort())
  t.regex(
    messages.join(),
    /^the root: record 5 is not marked as in use,streams: record \d+ is not marked as in use/,
  )
  const { file } = await findTarget(volume, parseTarget('streams/host'))
  t.is(file.reference.record, editor.record('streams/host'))
})
