import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { openFileSource } from '../../../src/formats/file-source.js'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import type { FileAttribute } from '../../../src/formats/ntfs/file-attribute.js'
import type { ClusterRun } from '../../../src/formats/ntfs/runs.js'
import { openStream, type Piece } from '../../../src/formats/ntfs/stream.js'
import { compressLznt1 } from './lznt1-encoder.js'

const CLUSTER = 512
const CLUSTERS = 256
const SPACE = { clusterSize: CLUSTER, clusterCount: CLUSTERS }

/** A volume of bytes that tell where they stand; `bad` clusters cannot be read. */
function volume(bytes: Buffer, bad: ReadonlySet<number> = new Set()): ByteSource {
  return {
    name: 'volume',
    size: BigInt(bytes.length),
    async read(offset, length) {
      const from = Number(offset)
      for (let at = from; at < from + length; at++)
        if (bad.has(Math.floor(at / CLUSTER))) throw new Error('a bad cluster')
      return bytes.subarray(from, from + length)
    },
    close: async () => {},
  }
}

const noise = Buffer.from(
  Array.from({ length: CLUSTERS * CLUSTER }, (_, at) => (at * 2654435761) >>> 24 || 1),
)

function attribute(runs: readonly ClusterRun[], data: number, initialised = data, unit = 0): FileAttribute {
  const last = runs.at(-1)
  return {
    type: ATTRIBUTE.DATA,
    name: '',
    flags: unit > 0 ? 1 : 0,
    record: 64,
    id: 3,
    value: undefined,
    indexed: false,
    extents: [],
    runs,
    endVcn: last ? last.vcn + last.length : 0,
    sizes: { allocated: 0n, data: BigInt(data), initialised: BigInt(initialised) },
    compressionUnit: unit,
  }
}

/** What pieces amount to, a letter for each byte that has none: `h`ole, `u`ninitialised, `x` unreadable. */
async function collect(pieces: AsyncIterable<Piece>, start = 0): Promise<{ bytes: Buffer; kinds: string }> {
  const parts: Buffer[] = []
  let kinds = ''
  let at = BigInt(start)
  for await (const piece of pieces) {
    if (piece.offset !== at) throw new Error(`a piece at ${piece.offset}, not ${at}`)
    const length = piece.kind === 'bytes' ? piece.bytes.length : Number(piece.length)
    parts.push(piece.kind === 'bytes' ? Buffer.from(piece.bytes) : Buffer.alloc(length))
    kinds += (piece.kind === 'bytes' ? 'd' : piece.kind === 'zero' ? piece.why[0]! : 'x').repeat(length)
    at += BigInt(length)
  }
  return { bytes: Buffer.concat(parts), kinds }
}

/** Runs one behind another: holes, places in the volume and beyond it, and gaps between them. */
const runLists = fc
  .array(
    fc.record({
      kind: fc.constantFrom('clusters', 'hole', 'missing'),
      lcn: fc.nat(CLUSTERS + 8),
      length: fc.integer({ min: 1, max: 9 }),
    }),
    { maxLength: 12 },
  )
  .map((parts) => {
    const runs: ClusterRun[] = []
    let vcn = 0
    for (const { kind, lcn, length } of parts) {
      if (kind !== 'missing') runs.push({ vcn, lcn: kind === 'hole' ? undefined : lcn, length })
      vcn += length
    }
    return runs
  })

test('any range of any runs gives each byte as a cluster by cluster look-up does', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      runLists,
      fc.nat(64 * CLUSTER),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(60 * CLUSTER),
      fc.nat(60 * CLUSTER),
      fc.uniqueArray(fc.nat(CLUSTERS - 1), { maxLength: 20 }),
      async (runs, size, written, one, other, bad) => {
        const initialised = Math.floor(size * written)
        const [start, end] = [Math.min(one, other), Math.min(size, Math.max(one, other))]
        const lost = new Set(bad)
        const expected = Buffer.alloc(Math.max(0, end - start))
        let kinds = ''
        const { endVcn } = attribute(runs, size)
        for (let at = start; at < end; at++) {
          const vcn = Math.floor(at / CLUSTER)
          const run = runs.find((each) => each.vcn <= vcn && vcn < each.vcn + each.length)
          const cluster = run?.lcn === undefined ? undefined : run.lcn + vcn - run.vcn
          if (vcn >= endVcn) kinds += 'x'
          else if (at >= initialised) kinds += 'u'
          else if (!run) kinds += 'x'
          else if (cluster === undefined) kinds += 'h'
          else if (cluster >= CLUSTERS || lost.has(cluster)) kinds += 'x'
          else {
            kinds += 'd'
            expected[at - start] = noise[cluster * CLUSTER + (at % CLUSTER)]!
          }
        }
        const stream = openStream(volume(noise, lost), SPACE, attribute(runs, size, initialised), 'stream')
        const found = await collect(stream.pieces(BigInt(start), BigInt(end)), start)
        t.true(found.kinds === kinds)
        t.true(found.bytes.equals(expected))
        const rooms: Buffer[] = []
        const ahead = stream.pieces(
          BigInt(start),
          BigInt(end),
          (_, length) => rooms[rooms.push(Buffer.alloc(length)) - 1]!,
          4 * CLUSTER,
        )
        t.deepEqual(await collect(ahead, start), found)
        t.true(rooms.every(({ length }) => length <= 4 * CLUSTER))
        const whole = stream.read(BigInt(start), Math.max(0, end - start))
        if (kinds.includes('x')) await t.throwsAsync(whole, { name: 'FormatError' })
        else t.true(expected.equals(await whole))
      },
    ),
    { numRuns: 300 },
  )
})

test('runs in a file are those in memory, cut or not', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const name = path.join(folder, 'volume')
  await fc.assert(
    fc.asyncProperty(runLists, fc.integer({ min: 0, max: noise.length }), async (runs, length) => {
      const kept = noise.subarray(0, length)
      writeFileSync(name, kept)
      const file = openFileSource(name)
      const stream = (source: ByteSource) =>
        collect(openStream(source, SPACE, attribute(runs, 60 * CLUSTER), 'stream').pieces())
      try {
        t.deepEqual(await stream(file), await stream(volume(kept)))
      } finally {
        await file.close()
      }
    }),
    { numRuns: 50 },
  )
})

/** A file of MiBs, each filled with its number, in a volume that is that file but for its first cluster. */
function largeFile(t: ExecutionContext, mebibytes: number) {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const name = path.join(folder, 'volume')
  const content = Buffer.alloc(mebibytes << 20)
  for (let at = 0; at < mebibytes; at++) content.fill(at + 1, at << 20, (at + 1) << 20)
  writeFileSync(name, Buffer.concat([Buffer.alloc(CLUSTER), content]))
  const length = content.length / CLUSTER
  const space = { clusterSize: CLUSTER, clusterCount: length + 1 }
  const file = attribute([{ vcn: 0, lcn: 1, length }], content.length)
  const open = (source: ByteSource) => openStream(source, space, file, 'stream')
  return { name, content, open }
}

const AHEAD = 2 << 20

test('with two rooms, one is read while the pieces of the other are looked at; they come in order', async (t) => {
  const { name, content, open } = largeFile(t, 7)
  const source = openFileSource(name)
  const rooms = [Buffer.alloc(AHEAD), Buffer.alloc(AHEAD)]
  const asked: bigint[] = []
  const room = (offset: bigint, length: number) => rooms[asked.push(offset) % 2]!.subarray(0, length)
  let askedBefore = 0
  const found = await collect(
    (async function* () {
      for await (const piece of open(source).pieces(0n, BigInt(content.length), room, AHEAD)) {
        if (piece.offset === 0n) askedBefore = asked.length
        t.true(piece.kind === 'bytes' && piece.bytes.length <= 1 << 20)
        yield piece
      }
    })(),
  )
  t.true(found.bytes.equals(content))
  t.deepEqual(asked, [0n, 2n << 20n, 4n << 20n, 6n << 20n])
  t.is(askedBefore, 2)
  await source.close()
})

test('nothing is written into a room any more when the pieces have been left', async (t) => {
  const { name } = largeFile(t, 1)
  const ahead = 32 << 20
  truncateSync(name, CLUSTER + 2 * ahead)
  const source = openFileSource(name)
  const length = (2 * ahead) / CLUSTER
  const file = attribute([{ vcn: 0, lcn: 1, length }], 2 * ahead)
  const space = { clusterSize: CLUSTER, clusterCount: length + 1 }
  const rooms: Buffer[] = []
  const room = (_: bigint, size: number) => rooms[rooms.push(Buffer.alloc(size, 0xff)) - 1]!
  const stream = openStream(source, space, file, 'stream')
  for await (const _ of stream.pieces(0n, stream.size, room, ahead)) break
  t.is(rooms.length, 2)
  // So large a room is not full before a thread that nobody waits for has gone on for a while.
  t.is(rooms[1]!.at(-1), 0)
  await source.close()
})

test('of a large run only what is bad is lost, wherever in a room that is', async (t) => {
  const { name, content, open } = largeFile(t, 5)
  for (const bad of [0, (2 << 20) - CLUSTER, (3 << 20) + (1 << 19), (5 << 20) - CLUSTER]) {
    const source = openFileSource(name)
    const { place: _, ...rest } = source
    const place = BigInt(CLUSTER + bad)
    const damaged: ByteSource = {
      ...rest,
      async read(offset, length, into) {
        if (offset <= place && place < offset + BigInt(length)) throw new Error('a bad cluster')
        return source.read(offset, length, into)
      },
    }
    const rooms = [Buffer.alloc(AHEAD), Buffer.alloc(AHEAD)]
    let turn = 0
    const room = (_: bigint, length: number) => rooms[turn++ % 2]!.subarray(0, length)
    const { bytes, kinds } = await collect(open(damaged).pieces(0n, BigInt(content.length), room, AHEAD))
    t.is(kinds.indexOf('x'), bad)
    t.is(kinds.replaceAll('d', '').length, CLUSTER)
    const expected = Buffer.from(content)
    expected.fill(0, bad, bad + CLUSTER)
    t.true(bytes.equals(expected))
    await source.close()
  }
})

test('a file that has become shorter since it was opened gives what is left, and says where that ends', async (t) => {
  const { name, content, open } = largeFile(t, 6)
  const left = (4 << 20) + 12345
  const source = openFileSource(name)
  truncateSync(name, CLUSTER + left)
  const { bytes, kinds } = await collect(
    open(source).pieces(0n, BigInt(content.length), (_, length) => Buffer.alloc(length), AHEAD),
  )
  t.is(kinds.indexOf('x'), left)
  t.is(kinds.lastIndexOf('d'), left - 1)
  t.true(bytes.subarray(0, left).equals(content.subarray(0, left)))
  await source.close()
})

test('runs beside a bad sector are read one by one, and once', async (t) => {
  const source = volume(noise, new Set([20]))
  const reads: bigint[] = []
  const counted: ByteSource = {
    ...source,
    read: (offset, length, into) => {
      reads.push(offset)
      return source.read(offset, length, into)
    },
  }
  const runs = Array.from({ length: 20 }, (_, at) => ({ vcn: at, lcn: 2 * at + 1, length: 1 }))
  const { kinds } = await collect(
    openStream(counted, SPACE, attribute(runs, 20 * CLUSTER), 'stream').pieces(),
  )
  t.is(kinds, 'd'.repeat(20 * CLUSTER))
  t.true(reads.length <= 21)
})

test('a volume that is cut gives what it has of a run', async (t) => {
  const stream = openStream(
    volume(noise.subarray(0, 10 * CLUSTER + 100)),
    SPACE,
    attribute([{ vcn: 0, lcn: 8, length: 4 }], 4 * CLUSTER),
    'stream',
  )
  const { kinds, bytes } = await collect(stream.pieces())
  t.is(kinds, 'd'.repeat(2 * CLUSTER + 100) + 'x'.repeat(2 * CLUSTER - 100))
  t.deepEqual(bytes.subarray(0, 2 * CLUSTER + 100), noise.subarray(8 * CLUSTER, 10 * CLUSTER + 100))
})

test('compression units come stored, compressed and as holes, from any byte on', async (t) => {
  const unit = 16
  const unitSize = unit * CLUSTER
  const text = Buffer.from('never a silent gap, never a changed byte. '.repeat(300)).subarray(0, unitSize)
  const packed = compressLznt1(
    [0, 4096].map((at) => ({ plain: text.subarray(at, at + 4096), style: 'compressed' })),
  )
  const clusters = Math.ceil(packed.length / CLUSTER)
  const disk = Buffer.from(noise)
  packed.copy(disk, 40 * CLUSTER)
  disk.fill(0, 40 * CLUSTER + packed.length, (40 + clusters) * CLUSTER)
  // The compressed unit in two runs, then a stored one, two of holes, and a compressed one whose clusters are garbage.
  const runs: ClusterRun[] = [
    { vcn: 0, lcn: 40, length: 1 },
    { vcn: 1, lcn: 41, length: clusters - 1 },
    { vcn: clusters, lcn: undefined, length: unit - clusters },
    { vcn: unit, lcn: 100, length: unit },
    { vcn: 2 * unit, lcn: undefined, length: 2 * unit },
    { vcn: 4 * unit, lcn: 200, length: 3 },
    { vcn: 4 * unit + 3, lcn: undefined, length: unit - 3 },
  ]
  const size = 5 * unitSize - 77
  const plain = Buffer.concat([text, disk.subarray(100 * CLUSTER, 116 * CLUSTER), Buffer.alloc(2 * unitSize)])
  const stream = openStream(volume(disk), SPACE, attribute(runs, size, size, unit), 'stream')
  const whole = await collect(stream.pieces())
  t.is(whole.kinds, 'd'.repeat(2 * unitSize) + 'h'.repeat(2 * unitSize) + 'x'.repeat(unitSize - 77))
  t.deepEqual(whole.bytes.subarray(0, plain.length), plain)
  for (const [start, end] of [
    [1, 2],
    [unitSize - 1, unitSize + 1],
    [700, 2 * unitSize + 5],
    [unitSize + 513, 3 * unitSize],
  ] as const) {
    const part = await collect(stream.pieces(BigInt(start), BigInt(end)), start)
    t.deepEqual(part.bytes, plain.subarray(start, end))
  }
  await t.throwsAsync(stream.read(BigInt(4 * unitSize), 1), {
    name: 'FormatError',
    message: /compression unit/,
  })
})

test('a hole of 2^63 bytes is one piece', async (t) => {
  const length = 2 ** 52
  const size = (1n << 63n) - 1n
  const vast = {
    ...attribute([{ vcn: 0, lcn: undefined, length }], 0),
    sizes: { allocated: 0n, data: size, initialised: size },
  }
  const pieces: Piece[] = []
  for await (const piece of openStream(
    volume(noise),
    { clusterSize: 2048, clusterCount: 64 },
    vast,
    'stream',
  ).pieces())
    pieces.push(piece)
  t.deepEqual(pieces, [{ kind: 'zero', offset: 0n, length: size, why: 'hole' }])
})

test('units larger than any that Windows makes are not decompressed, and no memory is asked for them', async (t) => {
  const unit = 64
  const space = { clusterSize: 2 << 20, clusterCount: CLUSTERS }
  const runs = [
    { vcn: 0, lcn: 1, length: 1 },
    { vcn: 1, lcn: undefined, length: unit - 1 },
  ]
  const size = unit * space.clusterSize
  const stream = openStream(volume(noise), space, attribute(runs, size, size, unit), 'stream')
  const pieces: Piece[] = []
  for await (const piece of stream.pieces()) pieces.push(piece)
  const reason = `its compression units are of ${size} bytes`
  t.deepEqual(pieces, [{ kind: 'unreadable', offset: 0n, length: BigInt(size), reason }])
})

test('compression units without end that are stored outside the volume, or have no runs, are one piece each', async (t) => {
  const unit = 16
  const far = 2 ** 40
  const runs = [
    { vcn: 0, lcn: 4, length: unit },
    { vcn: far, lcn: 1000, length: far },
  ]
  const size = (2 * far - unit) * CLUSTER
  const stream = openStream(volume(noise), SPACE, attribute(runs, size, size, unit), 'stream')
  const pieces: (readonly [string, bigint, string?])[] = []
  for await (const piece of stream.pieces())
    pieces.push([piece.kind, piece.offset, piece.kind === 'unreadable' ? piece.reason : ''])
  t.deepEqual(pieces, [
    ['bytes', 0n, ''],
    ['unreadable', BigInt(unit * CLUSTER), 'runs of its compression unit are missing'],
    ['unreadable', BigInt(far * CLUSTER), 'its run at cluster 1000 leaves the volume'],
  ])
})
