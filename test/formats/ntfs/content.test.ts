import { createHash } from 'node:crypto'
import test from 'ava'
import { openFileSource } from '../../../src/formats/file-source.js'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import { openContent } from '../../../src/formats/ntfs/content.js'
import { findAttribute } from '../../../src/formats/ntfs/file.js'
import { openVolume } from '../../../src/formats/ntfs/volume.js'
import { image } from './images/image.js'

test('files that WOF compressed have the bytes that were put in, and their raw stream is a hole', async (t) => {
  const { file, manifest } = await image('wof')
  const volume = await openVolume(openFileSource(file), ({ message }) => t.log(message))
  let decompressed = 0
  for (const { state, record, path, stream, size, sha256 } of manifest.streams) {
    if (state !== 'live' || stream !== '' || sha256 === undefined) continue
    const found = await volume.file(record)
    const data = findAttribute(found, ATTRIBUTE.DATA)!
    const hash = createHash('sha256')
    let end = 0n
    for await (const piece of (await openContent(volume, found, data)).pieces()) {
      if (piece.kind === 'unreadable') return t.fail(`${path}: ${piece.reason}`)
      const bytes = piece.kind === 'bytes' ? piece.bytes : Buffer.alloc(Number(piece.length))
      hash.update(bytes)
      end = piece.offset + BigInt(bytes.length)
    }
    t.is(end, BigInt(size), path)
    t.is(hash.digest('hex'), sha256, path)
    if (findAttribute(found, ATTRIBUTE.DATA, 'WofCompressedData') && size > 0) {
      decompressed++
      t.true(data.runs.every(({ lcn }) => lcn === undefined))
    }
  }
  t.true(decompressed >= 4)
  await volume.close()
})
