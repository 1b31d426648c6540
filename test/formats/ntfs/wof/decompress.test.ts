import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { NtfsError } from '../../../../src/formats/ntfs/finding.js'
import { undoCallTranslation } from '../../../../src/formats/ntfs/wof/call-translation.js'
import { decompressLzx } from '../../../../src/formats/ntfs/wof/lzx.js'
import { decompressXpress } from '../../../../src/formats/ntfs/wof/xpress.js'

const CODE_LENGTH = 2

/** Four symbols with codes of two bits, in their order, and the units and bytes behind the lengths. */
function xpressOf(symbols: readonly number[], rest: string): Buffer {
  const lengths = Buffer.alloc(256)
  for (const symbol of symbols) lengths[symbol >> 1]! |= CODE_LENGTH << (symbol % 2 ? 4 : 0)
  return Buffer.concat([lengths, Buffer.from(rest.replaceAll(' ', ''), 'hex')])
}

function xpress(input: Buffer, size: number): string {
  const output = Buffer.alloc(size)
  decompressXpress(input, output)
  return output.toString('latin1')
}

// a = 00, b = 01, c = 10, and a match with distance 1 and more bytes of length = 11
const SYMBOLS = [0x61, 0x62, 0x63, 256 + 15]

test('lengths of matches stand behind the units that are loaded', (t) => {
  // 00 01 10 11, match of 15 + 2 + 3 bytes `c`, then 00.
  t.is(xpress(xpressOf(SYMBOLS, '001B 0000 02'), 24), `abc${'c'.repeat(20)}a`)
  t.is(xpress(xpressOf(SYMBOLS, '001B 0000 FF 2C01'), 3 + 303 + 1), `abc${'c'.repeat(303)}a`)
  t.is(xpress(xpressOf(SYMBOLS, '001B 0000 FF 0000 2C010000'), 3 + 303 + 1), `abc${'c'.repeat(303)}a`)
})

test('XPRESS that makes no chunk is refused', (t) => {
  const cases: [input: Buffer, size: number, message: RegExp][] = [
    [Buffer.alloc(255), 10, /lengths .* cut off/],
    [Buffer.alloc(300), 10, /stands for no symbol/],
    [Buffer.alloc(300, 0x11), 10, /too many symbols/],
    [xpressOf(SYMBOLS, '00C0 0000 00'), 100, /begins before/],
    [xpressOf(SYMBOLS, '001B 0000'), 100, /length of a match is cut off/],
    [xpressOf(SYMBOLS, '001B 0000 FF 0E00'), 100, /too long/],
    [xpressOf(SYMBOLS, '001B 0000 FF 0000 FFFFFFFF'), 100, /beyond/],
    [xpressOf(SYMBOLS.slice(0, 3), '00F0 0000'), 100, /stands for no symbol/],
  ]
  for (const [input, size, message] of cases)
    t.throws(() => decompressXpress(input, Buffer.alloc(size)), { instanceOf: NtfsError, message })
})

/** Bits as text, in units of 16 with the highest first. */
function units(bits: string): Buffer {
  const digits = bits.replaceAll(' ', '')
  const unit = (_: unknown, index: number) =>
    Number.parseInt(digits.slice(index * 16, index * 16 + 16).padEnd(16, '0'), 2)
  return Buffer.from(Uint16Array.from({ length: Math.ceil(digits.length / 16) }, unit).buffer)
}

test('an uncompressed block of LZX, of even and of odd length', (t) => {
  const recent = Buffer.from('010000000100000001000000', 'hex')
  const block = (size: number) => units(`011 0 ${size.toString(2).padStart(16, '0')}`)
  const [odd, even] = [Buffer.from('odd'), Buffer.from('even')]
  const input = Buffer.concat([block(3), recent, odd, Buffer.of(0), block(4), recent, even])
  const output = Buffer.alloc(7)
  decompressLzx(input, output)
  t.is(output.toString(), 'oddeven')
})

test('LZX that makes no chunk is refused', (t) => {
  const cases: [input: Buffer, message: RegExp][] = [
    [Buffer.alloc(0), /not as long/],
    [units('001 0 0000000000000000'), /not as long/],
    [units('001 1'), /not as long/],
    [units('000 0 0000000000001000'), /has the type 0/],
    [units('111 0 0000000000001000'), /has the type 7/],
    [units('011 0 0000000000001000'), /uncompressed block is cut off/],
    [units('001 0 0000000000001000'), /stands for no symbol/],
    [units(`001 0 0000000000001000 ${'0001'.repeat(20)}`), /too many symbols/],
    [units(`010 0 0000000000001000 ${'001'.repeat(8)}`), /too many symbols/],
  ]
  for (const [input, message] of cases)
    t.throws(() => decompressLzx(input, Buffer.alloc(100)), { instanceOf: NtfsError, message })
})

test('targets of calls are made relative, but for the last ten bytes', (t) => {
  const chunk = Buffer.alloc(40)
  const call = (at: number, target: number) => {
    chunk[at] = 0xe8
    chunk.writeInt32LE(target, at + 1)
  }
  call(2, 100)
  call(7, -7)
  call(12, -13)
  call(17, 12_000_000)
  call(25, 11_999_999)
  call(30, 100)
  undoCallTranslation(chunk)
  t.deepEqual(
    [2, 7, 12, 17, 25, 30].map((at) => chunk.readInt32LE(at + 1)),
    [98, 11_999_993, -13, 12_000_000, 11_999_974, 100],
  )
})

const chunks = (name: string, count: number) => {
  const stored = readFileSync(new URL(`../../../../../test/data/ntfs/wof/${name}`, import.meta.url))
  return stored.subarray((count - 1) * 4, (count - 1) * 4 + stored.readUInt32LE(0))
}

for (const [name, decompress, stored, size] of [
  ['XPRESS', decompressXpress, chunks('xpress8k-exact.txt', 4), 8192],
  ['LZX', decompressLzx, chunks('lzx-text.txt', 5), 32768],
] as const)
  test(`mutated ${name} is refused or decompressed, within the chunk`, (t) => {
    const mutations = fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), { maxLength: 6 })
    const around = Buffer.alloc(size + 32, 0xaa)
    fc.assert(
      fc.property(mutations, fc.nat({ max: stored.length }), fc.boolean(), (mutations, length, cut) => {
        const input = Buffer.from(stored)
        for (const { at, byte } of mutations) input[at % input.length] = byte
        try {
          decompress(cut ? input.subarray(0, length) : input, around.subarray(16, 16 + size))
        } catch (error) {
          t.true(error instanceof NtfsError)
        }
        t.true(around.subarray(0, 16).every((byte) => byte === 0xaa))
        t.true(around.subarray(-16).every((byte) => byte === 0xaa))
      }),
      { numRuns: 300 },
    )
  })
