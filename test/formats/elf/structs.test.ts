import test from 'ava'
import fc from 'fast-check'
import {
  decodeEhdr,
  decodeIdent,
  decodePhdr,
  decodeShdr,
  type Encoding,
  encodeEhdr,
  encodePhdr,
  encodeShdr,
  SIZES,
} from '../../../src/formats/elf/structs.js'

const half = fc.integer({ min: 0, max: 0xffff })
const word = fc.integer({ min: 0, max: 0xffff_ffff })
const encodings: Encoding[] = [
  { bits: 64, littleEndian: true },
  { bits: 64, littleEndian: false },
  { bits: 32, littleEndian: true },
  { bits: 32, littleEndian: false },
]

for (const encoding of encodings) {
  const name = `ELF${encoding.bits} ${encoding.littleEndian ? 'LSB' : 'MSB'}`
  const addr = fc.bigInt({ min: 0n, max: (1n << BigInt(encoding.bits)) - 1n })
  const sizes = SIZES[encoding.bits]

  test(`${name}: any ELF header survives encode and decode`, (t) => {
    const ehdr = fc.record({
      type: half,
      machine: half,
      version: word,
      entry: addr,
      phoff: addr,
      shoff: addr,
      flags: word,
      ehsize: half,
      phentsize: half,
      phnum: half,
      shentsize: half,
      shnum: half,
      shstrndx: half,
    })
    fc.assert(
      fc.property(ehdr, (struct) => {
        const bytes = encodeEhdr(struct, encoding)
        t.is(bytes.length, sizes.ehdr)
        t.deepEqual(decodeIdent(bytes), encoding)
        t.deepEqual(decodeEhdr(bytes, encoding), struct)
      }),
    )
  })

  test(`${name}: any program header survives encode and decode`, (t) => {
    const phdr = fc.record({
      type: word,
      flags: word,
      offset: addr,
      vaddr: addr,
      paddr: addr,
      filesz: addr,
      memsz: addr,
      align: addr,
    })
    fc.assert(
      fc.property(phdr, fc.nat(64), (struct, at) => {
        const bytes = new Uint8Array(at + sizes.phdr)
        encodePhdr(struct, bytes, at, encoding)
        t.deepEqual(decodePhdr(bytes, at, encoding), struct)
      }),
    )
  })

  test(`${name}: any section header survives encode and decode`, (t) => {
    const shdr = fc.record({
      name: word,
      type: word,
      flags: addr,
      addr,
      offset: addr,
      size: addr,
      link: word,
      info: word,
      addralign: addr,
      entsize: addr,
    })
    fc.assert(
      fc.property(shdr, (struct) => {
        const bytes = new Uint8Array(sizes.shdr)
        encodeShdr(struct, bytes, 0, encoding)
        t.deepEqual(decodeShdr(bytes, 0, encoding), struct)
      }),
    )
  })
}

test('the program header of the tiny example is byte for byte that of linpmem', (t) => {
  const bytes = new Uint8Array(56)
  const run = { vaddr: 0n, paddr: 0x1000n, filesz: 0x2000n, memsz: 0x2000n }
  encodePhdr({ ...run, type: 1, flags: 4, offset: 0x1000n, align: 0x1000n }, bytes, 0)
  t.is(
    Buffer.from(bytes).toString('hex'),
    '0100000004000000' + // PT_LOAD, readable
      '0010000000000000' +
      '0000000000000000' +
      '0010000000000000' +
      '0020000000000000' +
      '0020000000000000' +
      '0010000000000000',
  )
})

test('bytes that begin otherwise are no ELF file', (t) => {
  t.is(decodeIdent(new Uint8Array()), undefined)
  t.is(decodeIdent(Buffer.from('\x7fELF\x03\x01', 'latin1')), undefined)
  t.is(decodeIdent(Buffer.from('\x7fELF\x02\x00', 'latin1')), undefined)
  t.is(decodeIdent(Buffer.from('EMiL\x02\x01', 'latin1')), undefined)
})
