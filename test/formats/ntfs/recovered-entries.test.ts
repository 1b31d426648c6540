import test from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { walkTree } from '../../../src/formats/ntfs/tree.js'
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
