import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { ByteSource } from '../../../../src/formats/byte-source.js'
import { NtfsError } from '../../../../src/formats/ntfs/finding.js'
import type { WofAlgorithm } from '../../../../src/formats/ntfs/wof/reparse-data.js'
import {
  openWofContent,
  type WofContent,
  type WofPiece,
} from '../../../../src/formats/ntfs/wof/wof-stream.js'
import { bufferSource } from '../../buffer-source.js'
import { readWimResources, type WimResource } from './wim-resources.js'

const data = (name: string) =>
  readFileSync(new URL(`../../../../../test/data/ntfs/wof/${name}`, import.meta.url))
const digest = (algorithm: string, content: Uint8Array) => createHash(algorithm).update(content).digest('hex')

async function piecesOf(content: WofContent, start?: bigint, end?: bigint): Promise<WofPiece[]> {
  const pieces: WofPiece[] = []
  for await (const piece of content.pieces(start, end)) pieces.push(piece)
  return pieces
}

/** The bytes of a content without damage. */
const allOf = async (content: WofContent): Promise<Buffer> =>
  Buffer.concat(
    (await piecesOf(content)).map((piece) => {
      if (piece.kind !== 'bytes') throw new Error(piece.reason)
      return piece.bytes
    }),
  )

/** Pieces by their places, and why some are not there. */
const outline = (pieces: readonly WofPiece[]) =>
  pieces.map((piece) =>
    piece.kind === 'bytes'
      ? `${piece.offset}+${piece.bytes.length}`
      : `${piece.offset}+${piece.length} ${piece.reason}`,
  )

const STREAMS: readonly [name: string, algorithm: WofAlgorithm, size: bigint, sha256: string][] = [
  ['lzx-text.txt', 'lzx', 150001n, 'a8905eb1a637e2afc7ef8f9ed4e0087ec406b0d2c4da8ee2c1e63b0054680a3b'],
  ['lzx-one.txt', 'lzx', 3000n, 'e360fe821024fa3e28ba19e0cfad5c81bc87f520ef27b44c0ef20011b92dc315'],
  ['lzx-rand.bin', 'lzx', 70000n, '941feced33d6f452f22a419170f577998846e1f31e98ebc9d871f56cdd4c8ff3'],
  [
    'xpress4k-exact.txt',
    'xpress4k',
    16384n,
    '20fa753695004490da776bbc1ed30f4dd73178b5a3171d6ff36185c0aa580e52',
  ],
  [
    'xpress8k-exact.txt',
    'xpress8k',
    32768n,
    '10f0492ee6efbbad93afe82844f7dd547d160d577898eac3320ad56c10b2a943',
  ],
  [
    'xpress16k-exact.txt',
    'xpress16k',
    65536n,
    'd45e31c8d7f53dace3b35a93dc354a0a7ee2d2018a5138a23b8208aeace27a73',
  ],
]

for (const [name, algorithm, size, sha256] of STREAMS)
  test(`the stream ${name} of a volume decompresses to its content`, async (t) => {
    const content = openWofContent({ compressed: bufferSource(data(name)), size, algorithm })
    t.is(digest('sha256', await allOf(content)), sha256)
    t.is(content.size, size)
  })

/** Compresses the running program, text, random bytes and runs with wimlib. */
function captureWithWimlib(t: ExecutionContext, options: readonly string[]): WimResource[] {
  const folder = mkdtempSync(join(tmpdir(), 'pmem-wim-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const files = join(folder, 'files')
  mkdirSync(files)
  const program = readFileSync(process.execPath)
  const start = Math.floor(program.length / 2)
  writeFileSync(join(files, 'program'), program.subarray(start, start + 700_000))
  writeFileSync(join(files, 'front'), program.subarray(0, 90_001))
  const random = Buffer.concat(
    Array.from({ length: 1100 }, (_, index) => createHash('sha512').update(String(index)).digest()),
  )
  writeFileSync(join(files, 'random'), random)
  writeFileSync(join(files, 'half'), Buffer.concat([random.subarray(0, 40_000), Buffer.alloc(40_000, 'ab')]))
  writeFileSync(
    join(files, 'digits'),
    Array.from({ length: 60_000 }, (_, index) => `${index * index}\n`).join(''),
  )
  writeFileSync(join(files, 'runs'), Buffer.alloc(262_144, 'x'))
  writeFileSync(join(files, 'short'), 'short short short')
  const wim = join(folder, 'wim')
  execFileSync('wimlib-imagex', ['capture', files, wim, '--no-acls', '--threads=1', ...options], {
    stdio: 'ignore',
  })
  return readWimResources(readFileSync(wim))
}

const CAPTURES: readonly [algorithm: WofAlgorithm, options: readonly string[]][] = [
  ['xpress4k', ['--compress=XPRESS', '--chunk-size=4096']],
  ['xpress8k', ['--compress=XPRESS:80', '--chunk-size=8192']],
  ['xpress16k', ['--compress=XPRESS:20', '--chunk-size=16384']],
  ['lzx', ['--compress=LZX:20', '--chunk-size=32768']],
  ['lzx', ['--compress=LZX:80', '--chunk-size=32768']],
]

for (const [algorithm, options] of CAPTURES)
  test(`what wimlib compresses with ${options.join(' ')} comes back`, async (t) => {
    const resources = captureWithWimlib(t, options)
    t.true(resources.filter(({ isCompressed }) => isCompressed).length >= 5)
    for (const { stored, isCompressed, size, sha1 } of resources) {
      if (!isCompressed) continue
      const content = openWofContent({ compressed: bufferSource(stored), size: BigInt(size), algorithm })
      t.is(digest('sha1', await allOf(content)), sha1)
    }
  })

test('any part can be read for itself', async (t) => {
  const stored = data('lzx-text.txt')
  const size = 150_001
  const options = { compressed: bufferSource(stored), size: BigInt(size), algorithm: 'lzx' } as const
  const whole = await allOf(openWofContent(options))
  const content = openWofContent(options)
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: size + 10 }), fc.nat({ max: 70_000 }), async (at, length) => {
      const expected = whole.subarray(at, at + length)
      t.true(expected.equals(await content.read(BigInt(at), length)))
      const into = Buffer.alloc(length)
      t.true(expected.equals(await content.read(BigInt(at), length, into)))
      t.true(expected.equals(into.subarray(0, expected.length)))
    }),
    { numRuns: 60 },
  )
})

test('parts of a chunk one after another decompress it once', async (t) => {
  let reads = 0
  const source = bufferSource(data('lzx-text.txt'))
  const compressed: ByteSource = {
    ...source,
    read: (offset, length) => {
      reads++
      return source.read(offset, length)
    },
  }
  const content = openWofContent({ compressed, size: 150_001n, algorithm: 'lzx' })
  for (let at = 32768n; at < 65536n; at += 4096n) await content.read(at, 4096)
  t.is(reads, 2)
})

/** Four stored chunks of 4096 bytes, the last of 100. */
function storedChunks() {
  const plain = Buffer.alloc(3 * 4096 + 100)
  for (let at = 0; at < plain.length; at++) plain[at] = (at * 7) >> 5
  const table = Buffer.alloc(12)
  for (let index = 0; index < 3; index++) table.writeUInt32LE((index + 1) * 4096, index * 4)
  return { plain, stored: Buffer.concat([table, plain]) }
}
const open4k = (stored: Buffer, size: number) =>
  openWofContent({ compressed: bufferSource(stored), size: BigInt(size), algorithm: 'xpress4k' })

test('a corrupt chunk costs itself alone', async (t) => {
  const { plain, stored } = storedChunks()
  t.true((await allOf(open4k(stored, plain.length))).equals(plain))
  const equal = Buffer.from(stored)
  equal.writeUInt32LE(4096, 4)
  t.deepEqual(outline(await piecesOf(open4k(equal, plain.length))), [
    '0+4096',
    '4096+4096 a chunk is corrupt: the table gives it no bytes',
    '8192+4096 a chunk is corrupt: it is longer than it would be plain',
    '12288+100',
  ])
  const far = Buffer.from(stored)
  far.writeUInt32LE(0xffff_ffff, 4)
  t.deepEqual(outline(await piecesOf(open4k(far, plain.length))), [
    '0+4096',
    '4096+4096 a chunk is corrupt: it ends behind the compressed data',
    '8192+4096 a chunk is corrupt: the table gives it no bytes',
    '12288+100',
  ])
  const content = open4k(far, plain.length)
  t.true(plain.subarray(0, 4096).equals(await content.read(0n, 4096)))
  await t.throwsAsync(content.read(4000n, 200), {
    instanceOf: NtfsError,
    message: /buffer: a chunk is corrupt.*0x1000/,
  })
})

test('a table that is longer than the stream leaves one unreadable piece, whatever the size', async (t) => {
  for (const size of [1n << 20n, 1n << 40n, (1n << 63n) - 1n]) {
    const content = openWofContent({ compressed: bufferSource(Buffer.alloc(100)), size, algorithm: 'lzx' })
    if (size === 1n << 20n) t.is((await piecesOf(content)).length, 1)
    else
      t.deepEqual(outline(await piecesOf(content, 5n)), [
        `5+${size - 5n} the table of its chunks is longer than its compressed data`,
      ])
  }
})

test('what the compressed stream cannot give costs only the chunks that need it', async (t) => {
  const { plain, stored } = storedChunks()
  const source = bufferSource(stored)
  const compressed: ByteSource = {
    ...source,
    read: (offset, length) => {
      if (offset < 6000n && offset + BigInt(length) > 5000n) throw new Error('bad sector')
      return source.read(offset, length)
    },
  }
  const content = openWofContent({ compressed, size: BigInt(plain.length), algorithm: 'xpress4k' })
  t.deepEqual(outline(await piecesOf(content)), ['0+4096', '4096+4096 bad sector', `8192+${4096 + 100}`])
})

test('no bytes need no stream', async (t) => {
  const content = open4k(Buffer.alloc(0), 0)
  t.deepEqual(await piecesOf(content), [])
  t.is((await content.read(0n, 10)).length, 0)
})

test('offsets are of 8 bytes from 4 GiB on', async (t) => {
  const { plain } = storedChunks()
  const size = 1n << 32n
  const table = Buffer.alloc(8 * (2 ** 20 - 1))
  for (let index = 0; index < 2 ** 20 - 1; index++)
    table.writeBigUInt64LE(BigInt(Math.min(index + 1, 3) * 4096), index * 8)
  const stored = Buffer.concat([table, plain.subarray(0, 12288)])
  const content = openWofContent({ compressed: bufferSource(stored), size, algorithm: 'xpress4k' })
  t.true(plain.subarray(0, 12288).equals(await content.read(0n, 12288)))
  t.deepEqual(outline(await piecesOf(content, 8192n, 20000n)), [
    '8192+4096',
    '12288+7712 a chunk is corrupt: the table gives it no bytes',
  ])
})

for (const [name, algorithm, size] of STREAMS)
  test(`${name}, mutated, gives pieces without gaps`, async (t) => {
    const stored = data(name)
    const mutations = fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), {
      minLength: 1,
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(mutations, fc.nat(), async (mutations, cut) => {
        const input = Buffer.from(stored)
        for (const { at, byte } of mutations) input[at % (cut % 2 ? input.length : 600)] = byte
        const compressed = bufferSource(cut % 5 === 0 ? input.subarray(0, cut % input.length) : input)
        let offset = 0n
        for (const piece of await piecesOf(openWofContent({ compressed, size, algorithm }))) {
          t.is(piece.offset, offset)
          offset += piece.kind === 'bytes' ? BigInt(piece.bytes.length) : piece.length
        }
        t.is(offset, size)
      }),
      { numRuns: 100 },
    )
  })

test('where the table of a file of 2^60 bytes is a hole, all its chunks are one piece', async (t) => {
  const size = 1n << 60n
  const chunks = size / 4096n
  const tableSize = 8n * (chunks - 1n)
  // Something is stored where the table tells of the second MiB.
  const island = { from: 8n * 256n, to: 8n * 512n }
  const content = openWofContent({
    compressed: {
      name: 'holes',
      size: tableSize + 100n,
      read: async (_, length) => Buffer.alloc(length),
      close: async () => {},
    },
    size,
    algorithm: 'xpress4k',
    nextStored: (offset) => (offset < island.from ? island.from : offset < island.to ? offset : tableSize),
  })
  const unlisted = 'the table of its chunks is not stored here'
  const pieces = await piecesOf(content)
  t.deepEqual(outline(pieces.slice(0, 2)), [
    `0+${1 << 20} ${unlisted}`,
    `${1 << 20}+${1 << 20} a chunk is corrupt: the table gives it no bytes`,
  ])
  t.deepEqual(outline(pieces.slice(2, 3)), [`${2 << 20}+${size - 4096n - (2n << 20n)} ${unlisted}`])
  t.is(pieces.length, 4)
})
