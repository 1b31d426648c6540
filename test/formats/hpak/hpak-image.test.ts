import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import test from 'ava'
import { asBuffer } from '../../../src/codecs/views.js'
import { openHpakImage } from '../../../src/formats/hpak/hpak-image.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import type { Image } from '../../../src/formats/image/image.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'

const format = FORMATS.find(({ name }) => name === 'hpak')!
const fixture = readFileSync('test/data/images/t.hpak')
const surroundings = () => surroundingsOf('memory.hpak')
const PAGE = 0x1000

interface Part {
  name: string
  content: Buffer
  compressed?: boolean
  /** Of the compression. */
  level?: number
  /** What the descriptor says, where it is not the truth. */
  length?: bigint
  storedLength?: bigint
}

/** An HPAK of these sections: each descriptor before its data. */
function hpakOf(...parts: Part[]): Buffer {
  const pieces: Buffer[] = [Buffer.from('HPAK'.padEnd(0x20, '\0'))]
  let at = 0x20
  for (const [i, { name, content, compressed = false, level = 1, length, storedLength }] of parts.entries()) {
    const stored = compressed ? gzipSync(content, { level }) : content
    const descriptor = Buffer.alloc(0xe0)
    descriptor.write(`HPAKSECTHPAK_SECTION_${name}`, 'latin1')
    descriptor.writeUInt32LE(compressed ? 1 : 0, 0x8c)
    descriptor.writeBigUInt64LE(length ?? BigInt(content.length), 0x98)
    descriptor.writeBigUInt64LE(BigInt(at + 0xe0), 0xa8)
    at += 0xe0 + stored.length
    descriptor.writeBigUInt64LE(i + 1 < parts.length ? BigInt(at) : 0n, 0xb0)
    descriptor.writeBigUInt64LE(storedLength ?? BigInt(stored.length), 0xb8)
    pieces.push(descriptor, stored)
  }
  return Buffer.concat(pieces)
}

const noise = Buffer.concat([randomBytes(3 << 20), Buffer.alloc(3 << 20, 'memory '), randomBytes(1 << 20)])
const memory = async (image: Image) => Buffer.concat(await readRuns(image))
const open = (bytes: Buffer) => openHpakImage(bufferSource(bytes))

test('a stored dump is a flat image', async (t) => {
  t.true(await format.recognises(fixture, bufferSource(fixture), surroundings()))
  const image = await format.open(bufferSource(fixture), surroundings())
  t.deepEqual(image.runs, [{ start: 0n, length: 0x3000n }])
  t.true((await memory(image)).equals(fixture.subarray(0x100, 0x3100)))
  t.is(image.incomplete, undefined)
  t.deepEqual(image.companions, [])
})

test('a compressed dump is decompressed as it is read, and its CRC compared at the end', async (t) => {
  const image = await open(hpakOf({ name: 'PHYSDUMP', content: noise, compressed: true }))
  t.is(image.variant, 'gzip')
  t.true((await memory(image)).equals(noise))
  t.deepEqual(await image.verify!(), [])
  // Backwards: a little, and to the beginning.
  const end = BigInt(noise.length)
  t.true(asBuffer(await image.read(end - 0x5000n, PAGE)).equals(noise.subarray(-0x5000, -0x4000)))
  t.true(asBuffer(await image.read(7n, PAGE)).equals(noise.subarray(7, 7 + PAGE)))
})

test('a page file goes along, stored or compressed', async (t) => {
  for (const compressed of [false, true]) {
    const pages = randomBytes(3 * PAGE)
    const image = await open(
      hpakOf({ name: 'PHYSDUMP', content: noise }, { name: 'PAGEDUMP', content: pages, compressed }),
    )
    const [file] = image.companions
    t.like(file, { name: 'pagefile.sys', category: 'memory:pagefile' })
    t.is(file!.source.size, BigInt(pages.length))
    t.true(asBuffer(await file!.source.read(0n, pages.length)).equals(pages))
    t.true((await memory(image)).equals(noise))
  }
})

test('a section that nobody knows is told', async (t) => {
  const image = await open(hpakOf({ name: 'KEYS', content: noise }, { name: 'PHYSDUMP', content: noise }))
  t.deepEqual(image.remarks, ['the section HPAKSECTHPAK_SECTION_KEYS at 0x20 is not read'])
})

test('a stored dump that was cut is a stump, whose rest is a hole', async (t) => {
  const image = await open(fixture.subarray(0, 0x2000))
  t.deepEqual(image.runs, [{ start: 0n, length: 0x1f00n }])
  t.deepEqual(image.holes, [{ start: 0x1f00n, length: 0x1100n, content: 'unknown' }])
  t.is(image.incomplete, '4352 bytes of its sections lie behind the end of the file')
})

test('a compressed dump that was cut gives what comes before the cut', async (t) => {
  const whole = hpakOf({ name: 'PHYSDUMP', content: noise, compressed: true })
  const image = await open(whole.subarray(0, 2 << 20))
  t.regex(image.incomplete!, /bytes of its sections lie behind/)
  t.true(asBuffer(await image.read(0n, 1 << 20)).equals(noise.subarray(0, 1 << 20)))
  await t.throwsAsync(image.read(2n << 20n, 1 << 20), {
    name: 'FormatError',
    message: /ends before its content/,
  })
  const sound = (2 << 20) - 0x2000
  t.true(asBuffer(await image.read(1n << 20n, sound - (1 << 20))).equals(noise.subarray(1 << 20, sound)))
  t.is((await image.verify!()).length, 1)
})

test('damage costs what follows it, and 64 KiB before it at most; it is met once', async (t) => {
  const content = Buffer.alloc(16 << 20, 'memory ')
  const whole = hpakOf({ name: 'PHYSDUMP', content, compressed: true, level: 0 })
  // Behind the header of gzip stand blocks that are stored, each with its length and the complement of that.
  let at = 0x20 + 0xe0 + 10
  let sound = 0
  while (sound < 2 << 20) {
    const length = whole.readUInt16LE(at + 1)
    at += 5 + length
    sound += length
  }
  whole[at + 3]! ^= 1
  const image = await open(whole)
  const kept = sound - (64 << 10)
  t.true(asBuffer(await image.read(0n, kept)).equals(content.subarray(0, kept)))
  const before = process.cpuUsage()
  for (let page = BigInt(3 << 20); page < 16 << 20; page += 0x1000n)
    await t.throwsAsync(image.read(page, PAGE), {
      message: /damaged: invalid stored block lengths; it is lost from there on \(at 0x1/,
    })
  t.true(process.cpuUsage(before).user < 5_000_000)
  t.true(asBuffer(await image.read(0n, PAGE)).equals(content.subarray(0, PAGE)))
  t.is((await image.verify!()).length, 1)
})

test('a stream whose checksum does not hold is read, and told', async (t) => {
  const whole = hpakOf({ name: 'PHYSDUMP', content: noise, compressed: true })
  whole[whole.length - 8]! ^= 1
  const image = await open(whole)
  // The last piece comes with the word that it is damaged.
  t.true(asBuffer(await image.read(0n, 6 << 20)).equals(noise.subarray(0, 6 << 20)))
  t.regex((await image.verify!())[0]!, /incorrect data check/)
})

test('a stream that holds more than it says is told, and not decompressed any further', async (t) => {
  const bomb = hpakOf({
    name: 'PHYSDUMP',
    content: Buffer.alloc(64 << 20),
    compressed: true,
    length: 0x10000n,
  })
  const image = await open(bomb)
  t.true((await memory(image)).equals(Buffer.alloc(0x10000)))
  t.deepEqual(await image.verify!(), ['physical memory: the compressed data does not hold 65536 bytes'])
})

function patched(offset: number, value: bigint): Buffer {
  const bytes = Buffer.from(fixture)
  bytes.writeBigUInt64LE(value, offset)
  return bytes
}

const HOSTILE: Record<string, readonly [bytes: Buffer, message: RegExp]> = {
  'sections in a circle': [patched(0xd0, 0x20n), /go in a circle \(at 0x20\)/],
  'a next section behind the file': [
    patched(0xd0, 2n ** 63n),
    /descriptor of a section lies past the end of the file/,
  ],
  'data behind the file': [patched(0xc8, 2n ** 64n - 1n), /begins behind the end of the file \(at 0x20\)/],
  'no memory': [hpakOf({ name: 'PAGEDUMP', content: noise }), /no section holds physical memory/],
  'an empty section': [patched(0xb8, 0n), /without memory \(at 0x20\)/],
  'another compression': [patched(0xa8, 2n << 32n), /compressed in the way 2/],
  'more memory than can be compressed': [
    hpakOf({ name: 'PHYSDUMP', content: noise, compressed: true, length: 2n ** 60n }),
    /1152921504606846976 bytes of memory in \d+ compressed ones cannot be/,
  ],
  'a header alone': [fixture.subarray(0, 0x20), /descriptor of a section lies past the end/],
  'too many sections': [
    hpakOf(...Array.from({ length: 65 }, () => ({ name: 'X', content: Buffer.alloc(0) }))),
    /more than 64 sections/,
  ],
}
for (const [what, [bytes, message]] of Object.entries(HOSTILE))
  test(`${what}: refused`, async (t) => {
    await t.throwsAsync(open(bytes), { name: 'FormatError', message })
  })

test('a damaged HPAK is refused or read in part, in bounded memory', async (t) => {
  await fuzzImage(format, fixture, surroundings, 500, 1)
  const content = Buffer.from(noise.subarray(0, 0x8000))
  const small = hpakOf(
    { name: 'PHYSDUMP', content, compressed: true },
    { name: 'PAGEDUMP', content, compressed: true },
  )
  await fuzzImage(format, small, surroundings, 500, 1)
  t.pass()
})

test('an HPAK that is cut at any field is refused or read in part', async (t) => {
  await cutImage(format, fixture, surroundings, Array(0x180).keys())
  t.pass()
})
