import test from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { readDeletedLinks } from '../../../src/formats/ntfs/deleted-links.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { NtfsError } from '../../../src/formats/ntfs/finding.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import { walkOrphans, walkTree } from '../../../src/formats/ntfs/tree.js'
import { openVolume, RECORD } from '../../../src/formats/ntfs/volume.js'
import { bufferSource } from '../buffer-source.js'
import { attributeOf, edit } from './images/editor.js'
import { image } from './images/image.js'

const INDEX_ROOT = 0x90
/** Records are read by windows of this size; only a scan asks for more. */
const WINDOW = 32 << 10

test('directories whose indexes are all damaged are listed from one scan of $MFT', async (t) => {
  const small = await image('small')
  const volume = edit(small)
  const directories = small.manifest.files.filter(({ directory, path }) => directory && !path.startsWith('$'))
  for (const record of [RECORD.ROOT, ...directories.map(({ record }) => record)])
    volume.edit(record, (bytes) => {
      const root = attributeOf(bytes, INDEX_ROOT)
      root.writeUInt32LE(0x7ffffff8, root.readUInt16LE(20) + 16)
    })
  const large: { from: number; length: number }[] = []
  const source = bufferSource(volume.bytes)
  const counting: ByteSource = {
    ...source,
    read(offset, length, into) {
      if (length > WINDOW) large.push({ from: Number(offset), length })
      return source.read(offset, length, into)
    },
  }
  const opened = await openVolume(counting, () => {})
  const paths = new Set<string>()
  for await (const { path, entries } of walkTree(opened, await opened.file(RECORD.ROOT)))
    for (const { name } of entries) paths.add([...path, name].join('/'))
  t.true(directories.length >= 5)
  for (const { path } of small.manifest.files) t.true(paths.has(path), path)
  const isOfMft = ({ from }: { from: number }) =>
    opened.mft.attribute.runs.some(
      ({ lcn, length }) => from >= lcn! * volume.cluster && from < (lcn! + length) * volume.cluster,
    )
  const scanned = large.filter(isOfMft).reduce((sum, { length }) => sum + length, 0)
  t.true(scanned > 0 && scanned <= Number(opened.mft.size), String(scanned))
})

test('without the record of the root, that is said, and all that hung below it hangs below $Orphan', async (t) => {
  const small = await image('small')
  const { bytes, place } = edit(small)
  bytes.fill(0, place(RECORD.ROOT), place(RECORD.ROOT + 1))
  const volume = await openVolume(bufferSource(bytes), () => {})
  const error = await t.throwsAsync(findTarget(volume, parseTarget('size-100')), { instanceOf: NtfsError })
  t.is(error.message, 'the root cannot be read: record 5 has never been used')
  t.regex(error.hint!, /--deleted IMAGE '\$Orphan'/)
  const paths = new Set<string>()
  for await (const { path, entries } of walkOrphans(volume, await readDeletedLinks(volume)))
    for (const { name } of entries) paths.add([...path, name].join('/'))
  for (const { path } of small.manifest.files) t.true(paths.has(`$Orphan/${path}`), path)
})
