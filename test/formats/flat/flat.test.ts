import test from 'ava'
import fc from 'fast-check'
import { openFlat } from '../../../src/formats/flat/flat-source.js'
import { flatWriter } from '../../../src/formats/flat/flat-writer.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { noise } from '../../codecs/samples.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { makedumpfile, tinyCore, tinyRuns } from '../kdump/makedumpfile.js'

const format = FORMATS.find(({ name }) => name === 'flat')!
const surroundings = () => surroundingsOf('dump.flat')
const HEADER = 4096

/** A container of these writes. */
async function flat(writes: Iterable<readonly [number, Uint8Array]>, ended = true): Promise<Buffer> {
  const sink = bufferSink()
  const writer = flatWriter(sink)
  for (const [offset, bytes] of writes) void writer.writeAt(BigInt(offset), bytes)
  if (ended) await writer.end()
  return sink.bytes()
}

test('records in any order, over one another, with gaps: what a file would hold after the same writes', async (t) => {
  const write = fc.tuple(fc.nat(300), fc.uint8Array({ minLength: 1, maxLength: 60 }))
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 40 }), fc.nat(400), async (writes, skip) => {
      const file = Buffer.alloc(Math.max(...writes.map(([offset, bytes]) => offset + bytes.length)))
      for (const [offset, bytes] of writes) file.set(bytes, offset)
      const { content, cutAt } = await openFlat(bufferSource(await flat(writes)))
      t.is(cutAt, undefined)
      t.is(content.size, BigInt(file.length))
      t.deepEqual(Buffer.from(await content.read(0n, 1000)), file)
      t.deepEqual(Buffer.from(await content.read(BigInt(skip), 70)), file.subarray(skip, skip + 70))
    }),
    { numRuns: 300 },
  )
})

test('many small records and few large ones, read in few large reads', async (t) => {
  const bytes = noise(9 << 20)
  function* writes(): Generator<readonly [number, Uint8Array]> {
    for (let at = 0; at < 4 << 20; at += 1024) yield [at, bytes.subarray(at, at + 1024)]
    yield [4 << 20, bytes.subarray(4 << 20)]
  }
  const source = bufferSource(await flat(writes()))
  let reads = 0
  const counted = {
    ...source,
    read: (offset: bigint, length: number) => {
      reads++
      return source.read(offset, length)
    },
  }
  const { content } = await openFlat(counted)
  t.true(reads < 20, `${reads} reads to open it`)
  reads = 0
  for (let at = 0; at < bytes.length; at += 0x30001) {
    const expected = bytes.subarray(at, at + 0x30001)
    t.true(Buffer.from(await content.read(BigInt(at), 0x30001)).equals(expected))
  }
  t.true(reads < 60, `${reads} reads for its content`)
})

test('makedumpfile takes apart what we write', async (t) => {
  const file = noise(70_000)
  const container = await flat([
    [0, Buffer.alloc(5000, 'x')],
    [60_000, file.subarray(60_000)],
    [5000, file.subarray(5000, 60_000)],
    [0, file.subarray(0, 5000)],
  ])
  t.deepEqual(await makedumpfile(container, ['-R']), [file])
})

test('an ELF core in a container of makedumpfile is a memory', async (t) => {
  const [container] = await makedumpfile(tinyCore(), ['-E', '-F', '-d', '0'])
  const image = await format.open(bufferSource(container!), surroundings())
  t.regex(image.variant, /^version 1, elf 64 bit/)
  t.deepEqual(await readRuns(image), tinyRuns())
})

test('a container without the record that ends it is a stump', async (t) => {
  const [container] = (await makedumpfile(tinyCore(), ['-c', '-F', '-d', '0'])) as [Buffer]
  const image = await format.open(bufferSource(container.subarray(0, -16)), surroundings())
  t.is(
    image.incomplete,
    `the container ends at 0x${(container.length - 16).toString(16)} without the record that ends it`,
  )
  t.deepEqual(await readRuns(image), tinyRuns())
})

test('what a cut container does not hold is an error, not zeros', async (t) => {
  const container = await flat([
    [0, Buffer.alloc(100, 'a')],
    [100_000, Buffer.alloc(100, 'b')],
  ])
  const whole = await openFlat(bufferSource(container))
  t.deepEqual(
    Buffer.from(await whole.content.read(90n, 20)),
    Buffer.from(`${'a'.repeat(10)}${'\0'.repeat(10)}`),
  )
  const { content, cutAt } = await openFlat(bufferSource(container.subarray(0, -20)))
  t.is(cutAt, BigInt(container.length - 20))
  t.is(content.size, 100_096n)
  await t.throwsAsync(content.read(90n, 20), {
    instanceOf: FormatError,
    message: /cut before the bytes of offset 0x64/,
  })
})

test('records that make no sense are refused where they stand', async (t) => {
  const container = await flat([[0, Buffer.alloc(100, 'a')]])
  for (const [offset, size] of [
    [-2n, 10n],
    [0n, -5n],
    [0n, 0n],
    [1n << 62n, 10n],
    [0n, 1n << 62n],
    [-1n, 5n],
  ] as const) {
    const bad = Buffer.from(container)
    bad.writeBigInt64BE(offset, HEADER)
    bad.writeBigInt64BE(size, HEADER + 8)
    await t.throwsAsync(openFlat(bufferSource(bad)), { instanceOf: FormatError, message: /at 0x1000/ })
  }
  const version = Buffer.from(container)
  version[31] = 9
  await t.throwsAsync(openFlat(bufferSource(version)), { message: /type 1, version 9/ })
})

test('a container in a container, and one without a memory, are refused', async (t) => {
  const inner = await flat([[0, Buffer.alloc(100, 'a')]])
  const nested = await flat([[0, inner]])
  await t.throwsAsync(format.open(bufferSource(nested), surroundings()), { message: /in a flat container/ })
  await t.throwsAsync(format.open(bufferSource(inner), surroundings()), {
    message: /without an image of memory/,
  })
})

test('what follows the end is told', async (t) => {
  const [container] = (await makedumpfile(tinyCore(), ['-c', '-F', '-d', '0'])) as [Buffer]
  const image = await format.open(bufferSource(Buffer.concat([container, Buffer.alloc(7)])), surroundings())
  t.deepEqual(image.remarks, ['7 bytes follow the record that ends the container'])
})

test('damaged containers are refused or read in part, in bounded memory', async (t) => {
  const [container] = (await makedumpfile(tinyCore(), ['-c', '-F', '-d', '0'])) as [Buffer]
  await fuzzImage(format, container, surroundings, 500, 1)
  const all = [...Array(64).keys(), ...Array.from({ length: 300 }, (_, i) => HEADER + i * 29)]
  await cutImage(
    format,
    container,
    surroundings,
    all.filter((at) => at < container.length),
  )
  t.pass()
})
