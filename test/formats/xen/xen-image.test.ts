import { readFileSync } from 'node:fs'
import test from 'ava'
import { decodeNotes, encodeNotes } from '../../../src/formats/elf/notes.js'
import { encodeEhdr, encodeShdr } from '../../../src/formats/elf/structs.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { openXenImage } from '../../../src/formats/xen/xen-image.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'

const format = FORMATS.find(({ name }) => name === 'xen')!
const surroundings = () => surroundingsOf('guest.core')
const sample = (name: string) => readFileSync(`test/data/images/${name}`)
const open = (bytes: Uint8Array) => openXenImage(bufferSource(bytes))
const PAGE = 4096
const NO_PAGE = 2n ** 64n - 1n

const page = (fill: string) => Buffer.alloc(PAGE, fill)
const PATTERN = Buffer.from(Uint8Array.from({ length: PAGE }, (_, i) => (i * 7 + (i >> 8)) & 0xff))

for (const [name, variant] of [
  ['t-pfn.xen', 'fully virtual guest'],
  ['t-p2m.xen', 'paravirtual guest'],
] as const)
  test(`${name} holds its three pages`, async (t) => {
    t.is((await detect(bufferSource(sample(name), name))).name, 'xen')
    const image = await open(sample(name))
    t.like(image, { variant, category: 'memory:physical', incomplete: undefined, holes: [], size: 0x6000n })
    t.deepEqual(image.runs, [
      { start: 0x1000n, length: 0x2000n },
      { start: 0x5000n, length: 0x1000n },
    ])
    t.deepEqual(await readRuns(image), [Buffer.concat([page('A'), page('B')]), PATTERN])
    t.like(image.facts, { machine: 62n, processors: 1n, pageSize: 4096n, hypervisor: 'Xen 4.17.0' })
    t.true(decodeNotes(image.facts.elfNotes!).every(({ name }) => name === 'Xen'))
  })

test('where the pages of a paravirtual guest were in the machine goes along', async (t) => {
  const { companions, remarks } = await open(sample('t-p2m.xen'))
  const [p2m] = companions
  t.is(p2m?.name, 'xen_p2m')
  const table = Buffer.from(await p2m!.source.read(0n, 100))
  t.deepEqual([table.length, table.readBigUInt64LE(0), table.readBigUInt64LE(8)], [48, 1n, 0x101n])
  t.regex(remarks.join(), /frames of the machine, which xen_p2m translates/)
})

interface Dump {
  readonly pfns: readonly bigint[]
  readonly pages?: number
  readonly magic?: bigint
  readonly pageSize?: bigint
  readonly cr3?: bigint
}

/** A dump as xg_core.c lays it out: table and names at the end. */
function dump({ pfns, pages = pfns.length, magic = 0xf00febeen, pageSize = 4096n, cr3 = 0n }: Dump): Buffer {
  const names = Buffer.from('\0.shstrtab\0.note.Xen\0.xen_prstatus\0.xen_pages\0.xen_pfn\0')
  const desc = Buffer.alloc(32)
  for (const [i, value] of [magic, 1n, BigInt(pages), pageSize].entries()) desc.writeBigUInt64LE(value, i * 8)
  const notes = encodeNotes([{ name: 'Xen', type: 0x2000001, desc }])
  const context = Buffer.alloc(5168)
  context.writeBigUInt64LE(cr3, 5008)
  const table = Buffer.alloc(pfns.length * 8)
  for (const [i, pfn] of pfns.entries()) table.writeBigUInt64LE(pfn, i * 8)
  const content = Buffer.concat(pfns.map((_, i) => page(String.fromCharCode(65 + i))))
  const bodies: [string, Uint8Array, bigint][] = [
    ['.note.Xen', notes, 0n],
    ['.xen_prstatus', context, 5168n],
    ['.xen_pages', content, 4096n],
    ['.xen_pfn', table, 8n],
    ['.shstrtab', names, 0n],
  ]
  const at = 64 + 64 * (bodies.length + 1)
  const headers = Buffer.alloc(at - 64)
  let offset = BigInt(at)
  for (const [i, [name, body, entsize]] of bodies.entries()) {
    const size = BigInt(body.length)
    const zeros = { flags: 0n, addr: 0n, link: 0, info: 0, addralign: 0n }
    const header = { ...zeros, name: names.indexOf(`${name}\0`), type: 1, offset, size, entsize }
    encodeShdr(header, headers, (i + 1) * 64)
    offset += size
  }
  const none = { entry: 0n, phoff: 0n, flags: 0, phentsize: 0, phnum: 0 }
  const ehdr = encodeEhdr({
    ...none,
    type: 4,
    machine: 62,
    version: 1,
    shoff: 64n,
    ehsize: 64,
    shentsize: 64,
    shnum: bodies.length + 1,
    shstrndx: bodies.length,
  })
  return Buffer.concat([ehdr, headers, ...bodies.map(([, body]) => body)])
}

test('entries without a page are left out, and pages in any order found', async (t) => {
  const image = await open(dump({ pfns: [7n, 3n, 4n, NO_PAGE, 5n, NO_PAGE], cr3: 0x1aa000n }))
  t.deepEqual(image.runs, [
    { start: 0x3000n, length: 0x3000n },
    { start: 0x7000n, length: 0x1000n },
  ])
  t.deepEqual(await readRuns(image), [Buffer.concat([page('B'), page('C'), page('E')]), page('A')])
  t.is(image.facts.cr3, 0x1aa000n)
  t.deepEqual(
    image.companions.map(({ name, source }) => [name, source.size]),
    [['xen_prstatus', 5168n]],
  )
})

test('a frame of the machine is not taken for CR3', async (t) => {
  t.is((await open(dump({ pfns: [1n], magic: 0xf00febedn, cr3: 0x1000n }))).facts.cr3, undefined)
})

test('a dump that was cut off is refused: its table is gone', async (t) => {
  const whole = dump({ pfns: [1n, 2n, 3n] })
  for (const end of [whole.length - 1, whole.length - 70, 3000, 100])
    await t.throwsAsync(open(whole.subarray(0, end)), {
      instanceOf: FormatError,
      message: /was cut off: which page is which stands at its end; .* past the end of the file/,
    })
})

test('claims are believed only as far as they make sense', async (t) => {
  const refused = (what: Dump, message: RegExp) =>
    t.throwsAsync(open(dump(what)), { instanceOf: FormatError, message })
  await refused({ pfns: [1n], magic: 7n }, /magic 0x7 of a dump of Xen is not known/)
  await refused({ pfns: [1n], pageSize: 0n }, /pages of 0 bytes/)
  await refused({ pfns: [1n], pageSize: 1n << 63n }, /pages of \d+ bytes/)
  await refused({ pfns: [2n ** 60n] }, /no memory has a page 0x1000000000000000/)
  await refused({ pfns: [NO_PAGE] }, /without memory/)
  const more = await open(dump({ pfns: [1n, 2n], pages: 2 ** 40 }))
  t.deepEqual(more.runs, [{ start: 0x1000n, length: 0x2000n }])
})

test('what Xen wrote before 3.1 is named', async (t) => {
  const old = Buffer.alloc(4096)
  old.writeUInt32LE(0xf00febed)
  t.is((await detect(bufferSource(old))).name, 'xen')
  const error = await t.throwsAsync(open(old), { instanceOf: FormatError, message: /by Xen before 3\.1/ })
  t.is(error?.hint, 'crash reads it')
})

for (const name of ['t-pfn.xen', 't-p2m.xen']) {
  test(`a damaged ${name} is refused or read in part, in bounded memory`, async (t) => {
    await fuzzImage(format, sample(name), surroundings, 500, 1)
    t.pass()
  })

  test(`${name} cut at any of its headers is refused or read in part`, async (t) => {
    await cutImage(format, sample(name), surroundings, Array(0x700).keys())
    await cutImage(format, sample(name), surroundings, [0x1000, 0x2345, 0x4000, 0x4001, 0x4028])
    t.pass()
  })
}
