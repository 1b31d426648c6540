import fs from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { undoFixups } from '../../../src/formats/ntfs/fixups.js'
import { decodeIndexBlock } from '../../../src/formats/ntfs/index-block.js'
import { type CarvedName, carveNames } from '../../../src/formats/ntfs/slack.js'
import { encodeFileName } from './encode-index.js'

// From forensics-samples of Debian (fs.ntfs, MIT): the block of the root's index, records 79 and 97 of $MFT.
const fixture = (name: string) =>
  fs.readFileSync(new URL(`../../../../test/data/ntfs/${name}`, import.meta.url))

const within = (record: number) => (parent: { record: number }) =>
  parent.record === record ? ('high' as const) : undefined
const brief = ({ fileName, reference, headerIntact }: CarvedName) =>
  `${reference.record}-${reference.sequence}${headerIntact ? '' : '?'} ${fileName.name} ${fileName.times.created} ${fileName.times.modified} ${fileName.allocated} ${fileName.size}`

test('what a real block holds behind its entries', (t) => {
  const block = decodeIndexBlock(fixture('root-block-with-slack.bin'))
  if (typeof block === 'string') return t.fail(block)
  t.is(block.node.entries.length, 17)
  const carved = carveNames({ bytes: block.node.bytes, ...block.node.slack, trust: within(5) })
  const text2 = '0-0? text2 132482503188977401'
  t.deepEqual(carved.map(brief), [
    `${text2} 132482503197200712 0 0`,
    `${text2} 132482448601902856 0 0`,
    `${text2} 132482448601902856 0 0`,
    `${text2} 132482448601902856 0 0`,
  ])
})

test('what real records hold behind their attributes', (t) => {
  const bytes = fixture('records-with-slack.bin')
  const carved = [79, 97].flatMap((number, at) => {
    const record = Buffer.from(bytes.subarray(1024 * at, 1024 * (at + 1)))
    undoFixups(record, 42)
    return carveNames({ bytes: record, start: record.readUInt32LE(24), end: 1024, trust: within(number) })
  })
  t.deepEqual(carved.map(brief), [
    '81-1 IMG_1054.JPG 132482503187372222 132482448601262856 692224 689275',
    '82-1 IMG_20200827_231612.jpg 132482503187438287 132482448601382856 3211264 3207823',
    '99-1 a-text.odt 132482503188964618 132482448601902856 12288 9159',
    '100-1 a-text.pdf 132482503188967011 132482448601902856 20480 18505',
  ])
})

test('a name at any even place is found, whole and once; cut off or without a likely time it is not', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 255 }),
      fc.nat({ max: 300 }),
      fc.integer({ min: 0, max: 3 }),
      (length, place, namespace) => {
        const at = 2 * place
        const key = encodeFileName({ name: 'x'.repeat(length), namespace })
        const bytes = Buffer.alloc(2048)
        key.copy(bytes, at)
        const [found, ...others] = carveNames({ bytes, start: 0, end: 2048, trust: within(5) })
        const cut = carveNames({ bytes, start: 0, end: at + key.length - 1, trust: within(5) })
        bytes.writeBigInt64LE(1n, at + 8)
        const timeless = carveNames({ bytes, start: 0, end: 2048, trust: within(5) })
        return found?.at === at && others.length === 0 && cut.length === 0 && timeless.length === 0
      },
    ),
  )
  t.pass()
})

test('noise is searched without an error', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1024 }), fc.nat({ max: 1024 }), (noise, start) => {
      const bytes = Buffer.from(noise)
      return carveNames({ bytes, start, end: bytes.length, trust: () => 'high' }).length <= bytes.length / 68
    }),
  )
  t.pass()
})
