import test from 'ava'
import { openFileSource } from '../../../src/formats/file-source.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { openNtfs } from '../../../src/formats/ntfs/open.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import type { NtfsVolume } from '../../../src/formats/ntfs/volume.js'
import { image } from './images/image.js'
import { makeVolume, openImage, rootBlocksAt } from './small-volume.js'

const find = async (volume: NtfsVolume, path: string) =>
  (await findTarget(volume, parseTarget(path))).file.reference.record

test('names with backslashes that ntfs-3g made are found as they are spelt', async (t) => {
  const { file, manifest } = await image('4k')
  const volume = await openNtfs(openFileSource(file), {}, () => {})
  const names = manifest.files.filter(({ path }) => path.includes('\\'))
  t.true(names.length > 0)
  for (const { path, record } of names) {
    t.is(await find(volume, path), record, path)
    t.is(await find(volume, `\\${path.replaceAll('/', '\\')}`), record, path)
  }
  await volume.close()
})

/** Changes a letter of a name of a file in the root, wherever that stands. */
function rename(bytes: Buffer, from: string, to: string): void {
  const [old, now] = [Buffer.from(from, 'utf16le'), Buffer.from(to, 'utf16le')]
  for (let at = bytes.indexOf(old); at >= 0; at = bytes.indexOf(old, at + 1)) now.copy(bytes, at)
}

test('a name is taken whole before what a separator in it would lead to', async (t) => {
  const { bytes } = makeVolume(t, { q_x_y: '1', 'q_x_y:more': '2', qq: '3', r_x: '4', $Extend_$ObjId: '5' })
  rename(bytes, 'q_x_y', 'q\\x\\y')
  rename(bytes, 'r_x', 'r/x')
  rename(bytes, '$Extend_$ObjId', '$Extend\\$ObjId')
  t.true((await rootBlocksAt(bytes)).length > 0)
  const { volume } = await openImage(bytes)
  const found = async (path: string) => {
    const { file, attribute, name } = await findTarget(volume, parseTarget(path))
    return [file.reference.record, attribute?.name, name]
  }
  const record = await find(volume, 'q\\x\\y')
  t.true(record >= 24)
  t.deepEqual(await found('Q\\X\\Y'), [record, undefined, 'Q\\X\\Y'])
  t.deepEqual(await found('/q\\x\\y:more'), [record, 'more', 'q\\x\\y'])
  t.true((await find(volume, 'r/x')) >= 24)
  t.not(await find(volume, 'r/x'), record)
  t.not(await find(volume, '$Extend\\$ObjId'), await find(volume, '$Extend/$ObjId'))
  await t.throwsAsync(find(volume, 'q\\x'), { message: 'there is no q in the root' })
  await t.throwsAsync(find(volume, '$Extend/no/where'), { message: 'there is no no in $Extend' })
})
