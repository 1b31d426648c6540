import test from 'ava'
import fc from 'fast-check'
import { fileNameText } from '../../../src/formats/ntfs/file-name.js'
import { decodeFileReference } from '../../../src/formats/ntfs/file-reference.js'
import type { Finding } from '../../../src/formats/ntfs/finding.js'
import { type IndexParts, openIndex } from '../../../src/formats/ntfs/index.js'
import type { IndexEntry } from '../../../src/formats/ntfs/index-entry.js'
import { scanIndexBlocks } from '../../../src/formats/ntfs/index-scan.js'
import { findInIndex, walkIndex } from '../../../src/formats/ntfs/index-walk.js'
import { builtInUpCase, compareIgnoringCase, compareNames } from '../../../src/formats/ntfs/up-case.js'
import { bufferSource } from '../buffer-source.js'
import { buildTree, encodeBlock, encodeEntry, encodeNameEntry, encodeRoot, partsOf } from './encode-index.js'

const upCase = builtInUpCase()
const nameOf = ({ bytes, key }: IndexEntry) => fileNameText(bytes, key)
const last = (child?: number) => encodeEntry(Buffer.alloc(8), undefined, child)
const named = (name: string, child?: number) => encodeNameEntry({ name }, child)

async function collect(batches: AsyncIterable<readonly IndexEntry[]>): Promise<string[]> {
  const names: string[] = []
  for await (const batch of batches) names.push(...batch.map(nameOf))
  return names
}

const lookUp = (parts: IndexParts, wanted: string) =>
  collect(findInIndex(openIndex(parts), (entry) => compareIgnoringCase(upCase, nameOf(entry), wanted)))

/** Walks a damaged index: what is found, and what is said about it. */
async function walkDamaged(parts: IndexParts): Promise<{ names: string[]; messages: string[] }> {
  const messages: string[] = []
  const report = ({ message }: Finding) => messages.push(message)
  const names = await collect(walkIndex(openIndex({ ...parts, report })))
  return { names, messages }
}

const anyName = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0x20, max: 0x7e }),
      fc.integer({ min: 1, max: 0xffff }),
      fc.constantFrom(0xd800, 0xdc00, 0xe9, 0xc9, 0x3b1, 0x391),
    ),
    { minLength: 1, maxLength: 20 },
  )
  .map((units) => String.fromCharCode(...units))

test('a tree of any names is walked in the order of $I30, and every name found in it in any case', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyName, { minLength: 1, maxLength: 150 }),
      fc.integer({ min: 2, max: 12 }),
      async (names, width) => {
        const ordered = [...names].sort((a, b) => compareNames(upCase, a, b))
        const parts = partsOf(buildTree(ordered, named, { width }))
        t.deepEqual(await collect(walkIndex(openIndex(parts))), ordered)
        for (const name of ordered.slice(0, 20)) {
          const alike = ordered.filter((other) => compareIgnoringCase(upCase, other, name) === 0)
          t.deepEqual(await lookUp(parts, name), alike)
          const upper = String.fromCharCode(...Array.from(name, (_, at) => upCase[name.charCodeAt(at)]!))
          t.deepEqual(await lookUp(parts, upper.length === name.length ? upper : name), alike)
        }
        const absent = `${ordered[0]}\u0001`
        t.deepEqual(
          await lookUp(parts, absent),
          ordered.filter((other) => compareIgnoringCase(upCase, other, absent) === 0),
        )
      },
    ),
    { numRuns: 60 },
  )
})

test('a look-up reads one block a level', async (t) => {
  const names = Array.from({ length: 5000 }, (_, at) => `file-${String(at).padStart(5, '0')}`)
  const parts = partsOf(buildTree(names, named, { width: 20 }))
  let reads = 0
  const allocation = parts.allocation!
  const counting = {
    ...allocation,
    read: (offset: bigint, length: number) => {
      reads++
      return allocation.read(offset, length)
    },
  }
  t.deepEqual(await lookUp({ ...parts, allocation: counting }, 'FILE-03333'), ['file-03333'])
  t.true(reads <= 3, `${reads} reads`)
})

test('VCNs of blocks smaller than clusters count 512 bytes, others clusters', async (t) => {
  const names = Array.from({ length: 60 }, (_, at) => `n${at + 100}`)
  for (const [clusterSize, vcnStep] of [
    [512, 8],
    [2048, 2],
    [4096, 1],
    [65536, 8],
    [2097152, 8],
  ] as const) {
    const parts = partsOf(buildTree(names, named, { vcnStep }), { clusterSize })
    t.deepEqual(await collect(walkIndex(openIndex(parts))), names)
    const numbers: number[] = []
    for await (const { number } of scanIndexBlocks(openIndex(parts))) numbers.push(number)
    t.deepEqual(numbers, [...numbers.keys()])
  }
})

test('children that lead in circles, nowhere, between blocks or beyond all depth cost their branch', async (t) => {
  const tree = {
    root: encodeRoot([named('b', 0), named('d', 7), named('f', 1), named('h', 2 ** 60), last(2)], 4096, true),
    blocks: [
      encodeBlock([named('a', 0), last()], 0),
      encodeBlock([named('e', 2), last(1)], 1),
      encodeBlock([named('g', 0), last()], 2),
    ],
  }
  const { names, messages } = await walkDamaged(partsOf(tree))
  t.deepEqual(names, ['a', 'b', 'd', 'g', 'e', 'f', 'h'])
  t.is(messages.filter((message) => message.includes('has been visited')).length, 4)
  t.is(messages.filter((message) => message.includes('leads to no block')).length, 2)

  const chain = Array.from({ length: 100 }, (_, at) => encodeBlock([last(at + 1)], at))
  const deep = await walkDamaged(partsOf({ root: encodeRoot([last(0)], 4096, true), blocks: chain }))
  t.deepEqual(deep.messages, ['$I30 of record 5: the branch to VCN 32 lies deeper than 32 levels'])
})

test('a block that is none, or another one, costs its branch; a scan still finds what stands there', async (t) => {
  const names = Array.from({ length: 30 }, (_, at) => `n${at + 100}`)
  const { root, blocks } = buildTree(names, named, { width: 10 })
  const [first, second, third] = blocks as [Buffer, Buffer, Buffer]
  const damaged = [second, first, Buffer.alloc(4096), ...blocks.slice(3)]
  const { names: found, messages } = await walkDamaged(partsOf({ root, blocks: damaged }))
  t.is(messages.length, 3)
  t.true(messages.some((message) => message.includes('bears VCN')))
  t.true(messages.some((message) => message.includes('has no signature')))
  const scanned: string[] = []
  const index = openIndex(partsOf({ root, blocks: damaged }, { report: () => {} }))
  for await (const { block } of scanIndexBlocks(index))
    scanned.push(...block.node.entries.filter(({ last }) => !last).map(nameOf))
  t.true(third.length > 0)
  t.true(scanned.length >= 12 && new Set([...scanned, ...found]).size < names.length)
})

test('entries that no node can hold end it, and those before count', async (t) => {
  const damage = async (change: (block: Buffer, second: number) => void) => {
    const entries = [named('a'), named('b'), named('c'), last()]
    const block = encodeBlock(entries, 0)
    change(block, 64 + entries[0]!.length)
    return walkDamaged(partsOf({ root: encodeRoot([last(0)], 4096, true), blocks: [block] }))
  }
  for (const length of [0, 8, 17, 20, 4096, 65528]) {
    const { names, messages } = await damage((block, at) => block.writeUInt16LE(length, at + 8))
    t.deepEqual(names, ['a'], String(length))
    t.is(messages.length, 1)
  }
  const key = await damage((block, at) => block.writeUInt16LE(600, at + 10))
  t.deepEqual(key.names, ['a', 'c'])
  t.deepEqual(key.messages, ['$I30 of record 5: the block at VCN 0 has an entry without a key'])
  const noEnd = await damage((block) => block.writeUInt32LE(block.readUInt32LE(28) - 16, 28))
  t.deepEqual(noEnd.names, ['a', 'b', 'c'])
  t.is(noEnd.messages.length, 1)
  const first = await damage((block) => block.writeUInt32LE(0xfffffff0, 24))
  t.deepEqual(first.names, [])
  t.is(first.messages.length, 1)
  const used = await damage((block) => block.writeUInt32LE(0xffffffff, 28))
  t.deepEqual(used.names, ['a', 'b', 'c'])
  t.is(used.messages.length, 1)
})

test('a block torn by a write is read as far as it goes, and said so', async (t) => {
  const block = encodeBlock([named('a'), last()], 0)
  block.writeUInt16LE(0xbad, 1022)
  const { names, messages } = await walkDamaged(
    partsOf({ root: encodeRoot([last(0)], 4096, true), blocks: [block] }),
  )
  t.deepEqual(names, ['a'])
  t.deepEqual(messages, ['$I30 of record 5: the block at VCN 0 has torn sectors: 1'])
})

test('a root without a size that blocks can have takes that of the boot sector', async (t) => {
  const names = Array.from({ length: 30 }, (_, at) => `n${at + 100}`)
  const { root, blocks } = buildTree(names, named)
  for (const size of [0, 1, 256, 4095, 131072, 0xffffffff]) {
    root.writeUInt32LE(size, 8)
    const { names: found, messages } = await walkDamaged(partsOf({ root, blocks }))
    t.deepEqual(found, names)
    t.is(messages.length, 1)
  }
  t.throws(() => openIndex(partsOf({ root: root.subarray(0, 31), blocks })), { message: /no room/ })
})

test('a claim of any size is not read through by a walk', async (t) => {
  const { root, blocks } = buildTree(
    Array.from({ length: 30 }, (_, at) => `n${at + 100}`),
    named,
  )
  const allocation = { ...bufferSource(Buffer.concat(blocks)), size: 2n ** 63n - 1n }
  const { names, messages } = await walkDamaged(partsOf({ root, blocks }, { allocation }))
  t.is(names.length, 30)
  t.is(messages.length, 1)
})

test('blocks that are not in use are told apart by $BITMAP', async (t) => {
  const { root, blocks } = buildTree(
    Array.from({ length: 30 }, (_, at) => `n${at + 100}`),
    named,
  )
  const index = openIndex(partsOf({ root, blocks }, { bitmap: bufferSource(Buffer.of(0b101)) }))
  const states: (boolean | undefined)[] = []
  for await (const { inUse } of scanIndexBlocks(index)) states.push(inUse)
  t.deepEqual(states, [true, false, true])
})

test('random damage ends in findings, never in an error or without an end', async (t) => {
  const names = Array.from({ length: 60 }, (_, at) => `n${at + 100}`)
  const { root, blocks } = buildTree(names, named, { width: 8 })
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 12,
  })
  await fc.assert(
    fc.asyncProperty(changes, changes, async (inRoot, inBlocks) => {
      const otherRoot = Buffer.from(root)
      const others = Buffer.concat(blocks)
      for (const [at, value] of inRoot) otherRoot[at % root.length] = value
      for (const [at, value] of inBlocks) others[at % others.length] = value
      const parts = {
        ...partsOf({ root: otherRoot, blocks }),
        allocation: bufferSource(others),
        report: () => {},
      }
      const index = openIndex(parts)
      for await (const batch of walkIndex(index))
        for (const { bytes, at } of batch) decodeFileReference(bytes, at)
      for await (const { block } of scanIndexBlocks(index)) t.true(block.node.slack.start <= 4096)
    }),
    { numRuns: 400 },
  )
})
