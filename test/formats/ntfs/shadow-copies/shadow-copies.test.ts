import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import type { Finding } from '../../../../src/formats/ntfs/finding.js'
import { listShadowCopies } from '../../../../src/formats/ntfs/shadow-copies/shadow-copies.js'
import { bufferSource } from '../../buffer-source.js'
import { BLOCK, makeShadowVolume, type ShadowVolume } from './shadow-maker.js'

const BLOCKS = 24
const AREA = 160

/** Blocks that differ from each other and from anything made before. */
function contents(): () => Buffer {
  let made = 0
  return () => {
    const content = Buffer.alloc(BLOCK)
    made++
    for (let piece = 0; piece < 32; piece++) {
      content.writeUInt32LE(made, piece * 512)
      content.writeUInt32LE(piece + 1, piece * 512 + 4)
    }
    return content
  }
}

const firstContent = (next: () => Buffer, blocks = BLOCKS) =>
  Buffer.concat(Array.from({ length: blocks }, () => next()))

async function open(bytes: Buffer) {
  const findings: Finding[] = []
  const copies = await listShadowCopies(bufferSource(bytes), (finding) => findings.push(finding))
  return { copies, findings }
}

const blockOf = (bytes: Uint8Array, block: number) => bytes.subarray(block * BLOCK, (block + 1) * BLOCK)

type Step =
  | { do: 'snapshot'; unused: number[]; flag: boolean }
  | { do: 'write'; block: number }
  | { do: 'move'; from: number; to: number }
  | { do: 'amend'; block: number; bits: number }

const anyBlock = fc.integer({ min: 1, max: BLOCKS - 1 })
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('snapshot' as const),
      unused: fc.array(anyBlock),
      flag: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), block: anyBlock }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('move' as const), from: anyBlock, to: anyBlock }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('amend' as const), block: anyBlock, bits: fc.integer() }),
  },
)

function play(steps: readonly Step[], entriesPerBlock = 3): ShadowVolume {
  const next = contents()
  const volume = makeShadowVolume({ blocks: BLOCKS, area: AREA, entriesPerBlock }, firstContent(next))
  volume.snapshot()
  for (const step of steps) {
    if (step.do === 'snapshot') {
      if (volume.stores.length < 6) volume.snapshot(new Set(step.unused), step.flag ? 0x400n : 0n)
    } else if (step.do === 'write') volume.write(step.block, next())
    else if (step.do === 'move') {
      if (step.from !== step.to) volume.move(step.from, step.to, next())
    } else if (!volume.stores.at(-1)!.neverUsed.has(step.block)) volume.amend(step.block, step.bits, next())
  }
  volume.finish()
  return volume
}

/** Blocks of a copy that say something; the header of all copies is in block 0. */
const toldBlocks = ({ stores }: ShadowVolume, index: number) =>
  Array.from({ length: BLOCKS - 1 }, (_, at) => at + 1).filter(
    (block) => !stores[index]!.neverUsed.has(block),
  )

test('every copy reads as the volume was, whatever was written, moved and moved back', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 60 }), async (steps) => {
      const volume = play(steps)
      const { copies, findings } = await open(volume.bytes)
      t.deepEqual(findings, [])
      t.is(copies.length, volume.stores.length)
      for (const [index, copy] of copies.entries()) {
        const read = await copy.open().read(0n, BLOCKS * BLOCK)
        for (const block of toldBlocks(volume, index))
          if (Buffer.compare(blockOf(read, block), blockOf(volume.stores[index]!.truth, block)) !== 0)
            t.fail(`copy ${copy.index}, block ${block}`)
      }
    }),
    { numRuns: 150 },
  )
})

test('libvshadow reads the same', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-shadow-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const samples = fc.sample(fc.array(anyStep, { minLength: 40, maxLength: 60 }), { numRuns: 12, seed: 4 })
  for (const [number, steps] of samples.entries()) {
    // It loses data that was moved back to where it was.
    const volume = play(steps.filter((step) => step.do !== 'move' || step.from < step.to))
    const image = path.join(folder, `${number}.raw`)
    fs.writeFileSync(image, volume.bytes)
    const script = path.resolve('test/formats/ntfs/shadow-copies/read-shadows.py')
    const stdout = execFileSync('/usr/bin/python3', [script, image], { encoding: 'utf8', stdio: 'pipe' })
    const theirs = stdout
      .split('store ')
      .slice(1)
      .map((text) => text.trim().split('\n'))
    const { copies } = await open(volume.bytes)
    t.is(theirs.length, copies.length)
    for (const [index, copy] of copies.entries()) {
      const [facts, ...digests] = theirs[index]!
      const { id, header, created, size } = copy
      t.is(facts, `${id} ${header?.copyId} ${header?.setId} ${created} ${size}`)
      const source = copy.open()
      for (const block of toldBlocks(volume, index)) {
        const digest = createHash('sha256')
          .update(await source.read(BigInt(block * BLOCK), BLOCK))
          .digest('hex')
        t.is(digest, digests[block]!, `volume ${number}, copy ${copy.index}, block ${block}`)
      }
    }
  }
})

test('a copy says when, where and by whom it was made, and whether it was deleted', async (t) => {
  const volume = play([])
  volume.snapshot(new Set(), 0x500n)
  const { copies, findings } = await open(volume.finish())
  t.deepEqual(findings, [])
  t.like(copies[1], {
    index: 2,
    id: '02020202-0202-0202-0202-020202020202',
    created: 132_000_000_010_000_000n,
    size: BigInt((BLOCKS + AREA) * BLOCK),
    offline: true,
    header: {
      copyId: 'c1c1c1c1-c1c1-c1c1-c1c1-c1c1c1c1c1c1',
      setId: 'd1d1d1d1-d1d1-d1d1-d1d1-d1d1d1d1d1d1',
      attributes: 0x0042000d,
      originatingMachine: 'WORKSTATION',
      serviceMachine: 'server-1',
    },
  })
  t.false(copies[0]!.offline)
})

test('what was unused reads as zero where the flag says so and no newer copy has it', async (t) => {
  const next = contents()
  const volume = makeShadowVolume({ blocks: BLOCKS, area: AREA }, firstContent(next))
  volume.snapshot(new Set([5, 6]))
  volume.snapshot(new Set([5]), 0n)
  volume.write(6, next())
  volume.finish()
  const { copies } = await open(volume.bytes)
  const older = await copies[0]!.open().read(0n, BLOCKS * BLOCK)
  const newer = await copies[1]!.open().read(0n, BLOCKS * BLOCK)
  t.true(
    blockOf(older, 5).every((byte) => byte === 0),
    'unused in both',
  )
  t.deepEqual(blockOf(older, 6), blockOf(volume.stores[1]!.truth, 6), 'kept for the newer one')
  t.deepEqual(blockOf(newer, 5), blockOf(volume.bytes, 5), 'without the flag')
})

test('entries are ignored, amended and overtaken as their flags say', async (t) => {
  const next = contents()
  const volume = makeShadowVolume({ blocks: BLOCKS, area: AREA }, firstContent(next))
  volume.snapshot()
  const [ignored, first, second, plain, later] = [next(), next(), next(), next(), next()]
  volume.entry(0, { original: 1, place: volume.store(ignored), flags: 4 })
  volume.entry(0, { original: 2, place: volume.store(first), flags: 2, bits: 0b0111 })
  volume.entry(0, { original: 2, place: volume.store(second), flags: 2, bits: 0b0100 })
  volume.entry(0, { original: 2, place: volume.store(plain), flags: 8 })
  volume.entry(0, { original: 3, place: volume.store(plain) })
  volume.entry(0, { original: 3, place: volume.store(later) })
  volume.entry(0, { original: 4, place: volume.store(plain) })
  volume.entry(0, { original: 4, relative: 4 * BLOCK, flags: 1 })
  volume.snapshot()
  volume.finish()
  const { copies, findings } = await open(volume.bytes)
  const source = copies[0]!.open()
  const read = await source.read(0n, BLOCKS * BLOCK)
  t.deepEqual(findings, [])
  t.deepEqual(blockOf(read, 1), blockOf(volume.bytes, 1))
  const pieces = [first.subarray(0, 1024), second.subarray(1024, 1536), plain.subarray(1536)]
  t.deepEqual(Buffer.from(blockOf(read, 2)), Buffer.concat(pieces))
  t.deepEqual(Buffer.from(blockOf(read, 3)), later)
  t.deepEqual(blockOf(read, 4), blockOf(volume.bytes, 4))
  const odd = await source.read(BigInt(2 * BLOCK + 700), 1000)
  t.deepEqual(odd, read.subarray(2 * BLOCK + 700, 2 * BLOCK + 1700))
})

test('bytes that follow one another are read at once, and none past the end', async (t) => {
  const volume = play([])
  const source = bufferSource(volume.bytes)
  const [copy] = await listShadowCopies(source, ({ message }) => t.fail(message))
  const shadow = copy!.open()
  await shadow.read(0n, 1)
  source.largestRead = 0
  t.is((await shadow.read(0n, BLOCKS * BLOCK)).length, BLOCKS * BLOCK)
  t.is(source.largestRead, BLOCKS * BLOCK)
  t.is((await shadow.read(shadow.size - 10n, 100)).length, 10)
  t.is((await shadow.read(shadow.size, 100)).length, 0)
})

test('a volume without shadow copies has none', async (t) => {
  const bytes = Buffer.alloc(4 * BLOCK)
  t.deepEqual(await open(bytes), { copies: [], findings: [] })
  t.deepEqual(await open(bytes.subarray(0, 0x1e40)), { copies: [], findings: [] })
  const other = play([]).bytes
  other[0x1e00 + 80] = 1
  const { copies, findings } = await open(other)
  t.is(copies.length, 0)
  t.regex(findings[0]!.message, /on another volume, aaaaaa01-aaaa-/)
})

/** Where the structures of a kind are. */
const structures = (bytes: Buffer, type: number) => {
  const found: number[] = []
  for (let at = BLOCK; at < bytes.length; at += BLOCK)
    if (bytes.toString('hex', at, at + 4) === '6b870838' && bytes.readUInt32LE(at + 20) === type)
      found.push(at)
  return found
}

test('a list that comes back to itself ends there', async (t) => {
  const steps = [1, 2, 3, 4, 5].map((block): Step => ({ do: 'write', block }))
  const { bytes } = play(steps)
  const [first, second] = structures(bytes, 3)
  bytes.writeBigUInt64LE(BigInt(first!), second! + 40)
  const catalog = structures(bytes, 2)[0]!
  bytes.writeBigUInt64LE(BigInt(catalog), catalog + 40)
  const { copies, findings } = await open(bytes)
  await copies[0]!.open().read(0n, BLOCK)
  t.deepEqual(
    findings.map(({ message }) => message),
    [
      'the catalog of the shadow copies ends early: it comes back to a block of its own',
      'a block list of the shadow copies ends early: it comes back to a block of its own',
    ],
  )
})

test('a block whose place is outside the volume costs that block', async (t) => {
  const volume = play([{ do: 'snapshot', unused: [], flag: true }])
  volume.entry(0, { original: 3, place: BLOCKS + AREA + 5 })
  volume.entry(0, { original: 4, place: 2 ** 33 })
  volume.entry(0, { original: 5, relative: 1234, flags: 1 })
  volume.entry(0, { original: 6, relative: 7 * BLOCK, flags: 1 })
  volume.entry(1, { original: 7, relative: 6 * BLOCK, flags: 1 })
  const { copies } = await open(volume.finish())
  const source = copies[0]!.open()
  for (const block of [3, 4, 5])
    await t.throwsAsync(source.read(BigInt(block * BLOCK), BLOCK), { name: 'NtfsError' }, `block ${block}`)
  for (const block of [1, 2])
    t.deepEqual(await source.read(BigInt(block * BLOCK), BLOCK), blockOf(volume.bytes, block))
  t.deepEqual(await source.read(BigInt(6 * BLOCK), BLOCK), blockOf(volume.bytes, 6), 'moved there and back')
})

test('a store that is not there costs what only it has', async (t) => {
  const volume = play([
    { do: 'write', block: 3 },
    { do: 'snapshot', unused: [], flag: true },
  ])
  const catalog = structures(volume.bytes, 2)[0]!
  // The newest is the first.
  volume.bytes.writeUInt32LE(1, catalog + 128 + 128)
  const { copies } = await open(volume.bytes)
  const source = copies[0]!.open()
  t.deepEqual(await source.read(BigInt(3 * BLOCK), BLOCK), blockOf(volume.stores[0]!.truth, 3))
  await t.throwsAsync(source.read(BigInt(4 * BLOCK), BLOCK), { message: /shadow copy 2/ })
})

test('stores that share a GUID or a position are told of', async (t) => {
  const volume = play([{ do: 'snapshot', unused: [], flag: true }])
  const catalog = structures(volume.bytes, 2)[0]! + 128
  const entry = (index: number) => volume.bytes.subarray(catalog + index * 128, catalog + (index + 1) * 128)
  entry(2).copy(entry(4))
  entry(0).copy(entry(2), 32, 32, 40)
  const { copies, findings } = await open(volume.bytes)
  t.is(copies.length, 2)
  t.regex(findings[0]!.message, /has store 0101.* twice/)
  t.regex(findings[1]!.message, /1 and 2 claim the same position/)
})

test('metadata that was tampered with never takes long, much memory, or the process', async (t) => {
  const { bytes } = play(
    fc.sample(fc.array(anyStep, { minLength: 60, maxLength: 60 }), { numRuns: 1, seed: 7 })[0]!,
  )
  const places = [0x1e00, ...[2, 3, 4, 6].flatMap((type) => structures(bytes, type))]
  const anyChange = fc.record({
    place: fc.constantFrom(...places),
    at: fc.integer({ min: 16, max: 700 }),
    value: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 2, 3, 0x40, 0x80, 0xff)),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(anyChange, { minLength: 1, maxLength: 12 }), async (changes) => {
      const changed = Buffer.from(bytes)
      for (const { place, at, value } of changes) changed[place + at] = value
      const source = bufferSource(changed)
      for (const copy of await listShadowCopies(source, () => {})) {
        const shadow = copy.open()
        for (let block = 0; block < BLOCKS; block++)
          try {
            const read = await shadow.read(BigInt(block * BLOCK), BLOCK)
            t.true(read.length <= BLOCK)
          } catch (error) {
            t.is((error as Error).name, 'NtfsError')
          }
      }
      t.true(source.largestRead <= BLOCK)
    }),
    { numRuns: 200 },
  )
})
