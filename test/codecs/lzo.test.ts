import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { CodecError } from '../../src/codecs/codec-error.js'
import { lzo1xDecode } from '../../src/codecs/lzo.js'

interface Block {
  readonly stored: Buffer
  readonly size: number
}

const FLAG_SUM_OF_CONTENT = 1
const FLAG_SUM_OF_STORED = 2

/** The blocks of a file that lzop wrote, big-endian: 9 bytes of magic, a header that ends with the name and a sum. */
function blocksOf(file: Buffer): Block[] {
  const flags = file.readUInt32BE(9 + 8)
  let at = 9 + 8 + 4 + 12
  at += 1 + file[at]! + 4
  const blocks: Block[] = []
  for (let size = file.readUInt32BE(at); size > 0; size = file.readUInt32BE(at)) {
    const stored = file.readUInt32BE(at + 4)
    at += 8 + (flags & FLAG_SUM_OF_CONTENT ? 4 : 0) + (flags & FLAG_SUM_OF_STORED && stored < size ? 4 : 0)
    blocks.push({ stored: file.subarray(at, at + stored), size })
    at += stored
  }
  return blocks
}

const lzop = (bytes: Buffer, level: string): Block[] =>
  blocksOf(execFileSync('lzop', [level, '-c'], { input: bytes, maxBuffer: 1 << 26 }))

/** A program, long runs, text, short distances and long ones, noise. */
function sample(): Buffer {
  const program = readFileSync(process.execPath).subarray(0, 1 << 20)
  const runs = Buffer.alloc(300_000).fill('ab', 1000, 200_000)
  const text = Buffer.from(Array.from({ length: 30_000 }, (_, i) => `line ${i ** 3 % 1009}\n`).join(''))
  const noise = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * i * 2654435761) >>> 13))
  return Buffer.concat([program, runs, text, noise, program.subarray(0, 40_000), noise])
}

for (const level of ['-1', '-3', '-9'])
  test(`what lzop ${level} compresses is decoded`, (t) => {
    const bytes = sample()
    let at = 0
    for (const { stored, size } of lzop(bytes, level)) {
      const expected = bytes.subarray(at, at + size)
      at += size
      if (stored.length === size) continue
      const into = Buffer.alloc(size)
      t.is(lzo1xDecode(stored, into), size)
      t.true(into.equals(expected))
    }
    t.is(at, bytes.length)
  })

test('damage is refused or decodes to no more than there is room for', (t) => {
  const page = sample().subarray(1_400_000, 1_400_000 + 4096)
  const [block] = lzop(page, '-1')
  t.true(block!.stored.length < block!.size)
  for (let length = 0; length < block!.stored.length; length++)
    t.throws(() => lzo1xDecode(block!.stored.subarray(0, length), Buffer.alloc(4096)), {
      instanceOf: CodecError,
    })
  t.throws(() => lzo1xDecode(block!.stored, Buffer.alloc(4095)), { message: /more than 4095/ })
  t.throws(() => lzo1xDecode(Buffer.concat([block!.stored, Buffer.alloc(1)]), Buffer.alloc(4096)), {
    message: /1 bytes follow/,
  })
  const position = fc.nat(block!.stored.length - 1)
  fc.assert(
    fc.property(fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 6 }), (changes) => {
      const damaged = Buffer.from(block!.stored)
      for (const [at, byte] of changes) damaged[at] = byte
      try {
        return lzo1xDecode(damaged, Buffer.alloc(4096)) <= 4096
      } catch (error) {
        return error instanceof CodecError
      }
    }),
    { numRuns: 2000 },
  )
  const endless = Buffer.alloc(1 << 20)
  t.throws(() => lzo1xDecode(endless, Buffer.alloc(4096)), { message: /more than 4096/ })
})
