import test from 'ava'
import fc from 'fast-check'
import { decodeFileName, links, namespaceName, preferredName } from '../../../src/formats/ntfs/file-name.js'
import { encodeFileName } from './encode-index.js'

/** Record 65 of a volume by Windows: its $FILE_NAME, as it stands in the record. */
const REAL = Buffer.from(
  `0500000000000500 037db8966b2fd901 037db8966b2fd901 037db8966b2fd901 037db8966b2fd901
   0800000000000000 0000000000000000 20000000 00000000 0f00
   660069006c0065002d0077006900740068002d0031003200330034003500`.replace(/\s/g, ''),
  'hex',
)

test('a real $FILE_NAME', (t) => {
  t.deepEqual(decodeFileName(REAL), {
    parent: { record: 5, sequence: 5 },
    name: 'file-with-12345',
    namespace: 0,
    times: {
      created: 133189803120819459n,
      modified: 133189803120819459n,
      changed: 133189803120819459n,
      accessed: 133189803120819459n,
    },
    allocated: 8n,
    size: 0n,
    flags: 0x20,
    tagOrEaSize: 0,
  })
})

test('any name survives, lone surrogates and colons included', (t) => {
  const units = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 1, maxLength: 255 })
  fc.assert(
    fc.property(units, fc.nat({ max: 40 }), (name, before) => {
      const text = String.fromCharCode(...name)
      const bytes = Buffer.concat([Buffer.alloc(before), encodeFileName({ name: text })])
      return decodeFileName(bytes, before).name === text
    }),
  )
  t.pass()
})

test('a $FILE_NAME that does not hold its name is refused', (t) => {
  for (const length of [0, 1, 65, 66, 67, REAL.length - 1])
    t.throws(() => decodeFileName(REAL.subarray(0, length)), { message: /does not hold its name/ })
  t.throws(() => decodeFileName(REAL, 0, REAL.length - 1), { message: /does not hold its name/ })
  t.throws(() => decodeFileName(REAL, 0, REAL.length + 1), { message: /does not hold its name/ })
  const empty = Buffer.from(REAL)
  empty[64] = 0
  t.throws(() => decodeFileName(empty), { message: /does not hold its name/ })
})

test('a path shows the long name; a short one beside it is no link of its own', (t) => {
  const name = (text: string, namespace: number, parent = 5) => ({
    name: text,
    namespace,
    parent: { record: parent, sequence: 1 },
  })
  const both = [name('LONGNA~1', 2), name('long name', 1), name('another', 0, 6)]
  t.is(preferredName(both)?.name, 'long name')
  t.deepEqual(
    links(both).map(({ name }) => name),
    ['long name', 'another'],
  )
  t.is(preferredName([name('x', 0), name('X', 3)])?.name, 'X')
  t.is(preferredName([name('odd', 9), name('SHORT', 2)])?.name, 'SHORT')
  t.is(preferredName([]), undefined)
  t.deepEqual(links([name('ORPHAN~1', 2), name('elsewhere', 1, 6)]).length, 2)
  t.deepEqual([0, 1, 2, 3, 9].map(namespaceName), ['POSIX', 'Win32', 'DOS', 'Win32+DOS', '9'])
})
