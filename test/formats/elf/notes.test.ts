import test from 'ava'
import fc from 'fast-check'
import { decodeNotes, encodeNotes } from '../../../src/formats/elf/notes.js'
import { FormatError } from '../../../src/formats/format-error.js'

const note = fc.record({
  name: fc.string({ unit: fc.constantFrom(...'CORELINUXQEMU vmcoreinfo') }),
  type: fc.integer({ min: 0, max: 0xffff_ffff }),
  desc: fc.uint8Array({ maxLength: 40 }),
})

test('notes survive encode and decode', (t) => {
  fc.assert(
    fc.property(fc.array(note), (notes) => {
      const bytes = encodeNotes(notes)
      t.is(bytes.length % 4, 0)
      t.deepEqual(decodeNotes(bytes), notes)
    }),
  )
})

test('a segment of p_align 8 pads its notes to 8 bytes', (t) => {
  const [name, desc] = [Buffer.from('GNU\0'), Buffer.from('abcd')]
  const header = Buffer.from([4, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0])
  const bytes = Buffer.concat([header, name, desc, Buffer.alloc(4), header, name, desc, Buffer.alloc(4)])
  t.deepEqual(
    decodeNotes(bytes, undefined, 8).map((note) => [note.name, note.type, Buffer.from(note.desc).toString()]),
    [
      ['GNU', 5, 'abcd'],
      ['GNU', 5, 'abcd'],
    ],
  )
})

test('zeros after the last note are padding', (t) => {
  const bytes = encodeNotes([{ name: 'CORE', type: 1, desc: new Uint8Array(3) }])
  t.is(decodeNotes(Buffer.concat([bytes, Buffer.alloc(4096)])).length, 1)
})

test('a note that runs past its segment is refused at its offset', (t) => {
  const good = encodeNotes([{ name: 'CORE', type: 1, desc: new Uint8Array(4) }])
  const bad = Buffer.from('ffffffffffffffff00000000', 'hex')
  const error = t.throws(() => decodeNotes(Buffer.concat([good, bad])), { instanceOf: FormatError })
  t.is(error.offset, BigInt(good.length))
})

test('any bytes are either notes or refused', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeNotes(bytes)
      } catch (error) {
        t.true(error instanceof FormatError)
      }
      t.pass()
    }),
  )
})
