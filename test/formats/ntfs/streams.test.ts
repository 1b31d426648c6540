import { createHash } from 'node:crypto'
import test from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { openFileSource } from '../../../src/formats/file-source.js'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import { openContent } from '../../../src/formats/ntfs/content.js'
import { listDirectory, openDirectory } from '../../../src/formats/ntfs/directory.js'
import { findAttribute, isDirectory } from '../../../src/formats/ntfs/file.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import { type NtfsVolume, openVolume } from '../../../src/formats/ntfs/volume.js'
import { DAMAGES } from './images/damage.js'
import { edit } from './images/editor.js'
import { IMAGE_NAMES, image, type ManifestStream } from './images/image.js'

const ZEROS = Buffer.alloc(1 << 20)
/** Sparse files of terabytes are known by their last bytes. */
const TAIL = 65536n
const FIRST_OF_USERS = 24

/** SHA-256 of what is read of a stream, or why it is not read whole. */
async function digestOf(
  volume: NtfsVolume,
  { record, stream, tail }: ManifestStream,
): Promise<{ digest: string; size: bigint } | string> {
  const file = await volume.file(record)
  const attribute = findAttribute(file, ATTRIBUTE.DATA, stream)
  if (!attribute) return 'there is no such stream'
  const content = await openContent(volume, file, attribute)
  const hash = createHash('sha256')
  for await (const piece of content.pieces(tail === undefined ? 0n : content.size - TAIL)) {
    if (piece.kind === 'unreadable') return piece.reason
    if (piece.kind === 'bytes') hash.update(piece.bytes)
    else
      for (let left = piece.length; left > 0n; left -= BigInt(ZEROS.length))
        hash.update(left < BigInt(ZEROS.length) ? ZEROS.subarray(0, Number(left)) : ZEROS)
  }
  return { digest: hash.digest('hex'), size: content.size }
}

for (const name of IMAGE_NAMES)
  test(`every stream of the volume ${name} has the bytes that were put in, and is found by its path`, async (t) => {
    const { file, manifest } = await image(name)
    const findings: string[] = []
    const volume = await openVolume(openFileSource(file), ({ message }) => findings.push(message))
    for (const wanted of manifest.streams) {
      const known: string | undefined = wanted.sha256 ?? wanted.tail
      if (known === undefined) continue
      const label = `${wanted.path}:${wanted.stream}`
      const found = await digestOf(volume, wanted)
      if (typeof found === 'string') t.fail(`${label}: ${found}`)
      else if (found.digest !== known || found.size !== BigInt(wanted.size)) t.fail(label)
      // A path is parted at these: files with such names are known by their records.
      if (wanted.state !== 'live' || /[:\\]/.test(wanted.path)) continue
      const target = await findTarget(volume, parseTarget(`/${wanted.path}`))
      if (target.file.reference.record !== wanted.record) t.fail(`${label} is found elsewhere`)
    }
    t.deepEqual(findings, [])
    await volume.close()
  })

const bytesSource = (bytes: Buffer): ByteSource => ({
  name: 'damaged',
  size: BigInt(bytes.length),
  read: async (offset, length) => bytes.subarray(Number(offset), Number(offset) + length),
  close: async () => {},
})

test('damage costs what it hits, and is told', async (t) => {
  const small = await image('small')
  // The damage itself lies in streams of system files.
  const streams = small.manifest.streams.filter(({ record, sha256 }) => record >= FIRST_OF_USERS && sha256)
  for (const { name, path, outcome, patch } of DAMAGES) {
    const editor = edit(small)
    patch(editor)
    const findings: string[] = []
    const opening = openVolume(bytesSource(editor.bytes), ({ message }) => findings.push(message))
    if (outcome === 'volume refused') {
      await t.throwsAsync(opening, { name: 'NtfsError' }, name)
      continue
    }
    const volume = await opening
    for (const stream of streams) {
      const mayBeLost = stream.path === path && outcome === 'object lost'
      let found: Awaited<ReturnType<typeof digestOf>>
      try {
        found = await digestOf(volume, stream)
      } catch (error) {
        found = (error as Error).message
      }
      if (typeof found === 'string') {
        findings.push(found)
        t.true(mayBeLost, `${name}: ${stream.path}:${stream.stream}: ${found}`)
      } else if (!mayBeLost) t.is(found.digest, stream.sha256!, `${name}: ${stream.path}:${stream.stream}`)
    }
    if (path) await readFolder(volume, editor.record(path), findings)
    t.true(findings.length > 0, `${name}: nothing is told`)
  }
})

/** Lists a directory, to have told what is wrong with it. */
async function readFolder(volume: NtfsVolume, record: number, findings: string[]): Promise<void> {
  try {
    const file = await volume.file(record)
    if (isDirectory(file)) for await (const _ of listDirectory(openDirectory(volume, file)));
  } catch (error) {
    findings.push((error as Error).message)
  }
}
