import { readFileSync } from 'node:fs'
import test from 'ava'
import { asBuffer } from '../../../src/codecs/views.js'
import type { Bytes } from '../../../src/formats/byte-source.js'
import * as ewf from '../../../src/formats/ewf/structs.js'

const file = readFileSync('test/data/images/tiny.E01')
const equal = (a: Bytes, b: Bytes) => asBuffer(a).equals(b)

/** Where libewf's own reader finds the sections of tiny.E01. */
const SECTIONS: [type: string, offset: number, next: number][] = [
  ['header', 0x0d, 0xb1],
  ['volume', 0xb1, 0x519],
  ['sectors', 0x519, 0x577],
  ['table', 0x577, 0x5e3],
  ['table2', 0x5e3, 0x64f],
  ['data', 0x64f, 0xab7],
  ['digest', 0xab7, 0xb53],
  ['hash', 0xb53, 0xbc3],
  ['done', 0xbc3, 0xbc3],
]
const bodyOf = (type: string) => {
  const [, offset, next] = SECTIONS.find(([name]) => name === type)!
  return file.subarray(offset + ewf.SIZES.section, next)
}

test('the file header and each section descriptor of a file decode, and encode to the same bytes', (t) => {
  t.deepEqual(ewf.decodeFileHeader(file), { signature: 'physical', segment: 1 })
  t.true(equal(ewf.encodeFileHeader(1), file.subarray(0, 13)))
  for (const [type, offset, next] of SECTIONS) {
    const bytes = file.subarray(offset, offset + 76)
    const size = type === 'done' ? 0n : BigInt(next - offset)
    const section = { type, next: BigInt(next), size }
    t.deepEqual(ewf.decodeSection(bytes), { ...section, checksum: 'right' })
    t.true(equal(ewf.encodeSection(section), bytes))
  }
  t.is(
    ewf.decodeFileHeader(Buffer.from('LVF\x09\x0d\x0a\xff\0\x01\x02\0\0\0', 'latin1'))?.signature,
    'logical',
  )
  t.is(ewf.decodeFileHeader(file.subarray(0, 12)), undefined)
})

test('volume, table and digests of a file decode, and encode to the same bytes', (t) => {
  const { checksum, ...volume } = ewf.decodeVolume(bodyOf('volume'))
  t.is(checksum, 'right')
  t.like(volume, {
    mediaType: 1,
    chunks: 1,
    sectorsPerChunk: 64,
    bytesPerSector: 512,
    sectors: 1n,
    compression: 1,
  })
  t.true(equal(ewf.encodeVolume(volume), bodyOf('volume')))

  const table = bodyOf('table')
  t.deepEqual(ewf.decodeTableHeader(table), { entries: 1, base: 0x519n, checksum: 'right' })
  t.true(equal(ewf.encodeTable(0x519n, [0x8000004c]), table))

  const { md5 } = ewf.decodeHash(bodyOf('hash'))
  t.is(asBuffer(md5).toString('hex'), 'd75aa01bf9a30247050d9c747a321fd4')
  t.true(equal(ewf.encodeHash(md5), bodyOf('hash')))
  const { sha1 } = ewf.decodeDigest(bodyOf('digest'))
  t.true(equal(ewf.encodeDigest(md5, sha1), bodyOf('digest')))
})

test('the volume of the original format and error tables come back as they were', (t) => {
  const old = { chunks: 7, sectorsPerChunk: 64, bytesPerSector: 512, sectors: 400, signature: 'SMART' }
  const bytes = ewf.encodeOldVolume(old)
  t.is(bytes.length, 94)
  t.deepEqual(ewf.decodeOldVolume(bytes), { ...old, checksum: 'right' })
  const errors = [
    { firstSector: 3, sectors: 2 },
    { firstSector: 0xffff_fff0, sectors: 16 },
  ]
  const table = ewf.encodeErrors(errors)
  t.is(table.length, 520 + 16 + 4)
  t.deepEqual(ewf.decodeErrorHeader(table), { entries: 2, checksum: 'right' })
  t.deepEqual(ewf.decodeErrorEntry(table, 528), errors[1])
  t.is(ewf.checksumOf(table.subarray(520), 16), 'right')
})

test('a checksum that is zero is told from one that is wrong', (t) => {
  const bytes = Buffer.from(bodyOf('volume'))
  bytes[0] = 3
  t.is(ewf.decodeVolume(bytes).checksum, 'wrong')
  bytes.fill(0, 1048)
  t.is(ewf.decodeVolume(bytes).checksum, 'absent')
})
