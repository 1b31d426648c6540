import type { IndexParts } from '../../../src/formats/ntfs/index.js'
import { bufferSource } from '../buffer-source.js'

/** Indexes as a driver would write them, from what they are to hold; the ways to damage them are the test's. */

export interface TestName {
  readonly name: string
  readonly record?: number
  readonly sequence?: number
  readonly namespace?: number
  readonly parent?: number
  readonly parentSequence?: number
  readonly time?: bigint
  readonly size?: bigint
}

export function encodeFileName(given: TestName): Buffer {
  const name = Buffer.alloc(2 * given.name.length)
  for (let at = 0; at < given.name.length; at++) name.writeUInt16LE(given.name.charCodeAt(at), 2 * at)
  const bytes = Buffer.alloc(66)
  bytes.writeUIntLE(given.parent ?? 5, 0, 6)
  bytes.writeUInt16LE(given.parentSequence ?? 5, 6)
  for (const at of [8, 16, 24, 32]) bytes.writeBigInt64LE(given.time ?? 133189803120819459n, at)
  bytes.writeBigUInt64LE(((given.size ?? 0n) + 7n) & ~7n, 40)
  bytes.writeBigUInt64LE(given.size ?? 0n, 48)
  bytes.writeUInt32LE(0x20, 56)
  bytes[64] = given.name.length
  bytes[65] = given.namespace ?? 0
  return Buffer.concat([bytes, name])
}

/** @param key undefined: the last entry of a node */
export function encodeEntry(head: Buffer, key: Buffer | undefined, child?: number): Buffer {
  const keyLength = key?.length ?? 0
  const length = 16 + Math.ceil(keyLength / 8) * 8 + (child === undefined ? 0 : 8)
  const bytes = Buffer.alloc(length)
  head.copy(bytes)
  bytes.writeUInt16LE(length, 8)
  bytes.writeUInt16LE(keyLength, 10)
  bytes.writeUInt16LE((child === undefined ? 0 : 1) | (key ? 0 : 2), 12)
  key?.copy(bytes, 16)
  if (child !== undefined) bytes.writeBigUInt64LE(BigInt(child), length - 8)
  return bytes
}

export function encodeReference(record: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUIntLE(record, 0, 6)
  bytes.writeUInt16LE(sequence, 6)
  return bytes
}

export const encodeNameEntry = (name: TestName, child?: number): Buffer =>
  encodeEntry(encodeReference(name.record ?? 40, name.sequence ?? 1), encodeFileName(name), child)

/** @param room bytes of the node, header included */
function encodeNode(entries: readonly Buffer[], first: number, room: number, flags: number): Buffer {
  const body = Buffer.concat(entries)
  const header = Buffer.alloc(first)
  header.writeUInt32LE(first, 0)
  header.writeUInt32LE(first + body.length, 4)
  header.writeUInt32LE(room, 8)
  header.writeUInt32LE(flags, 12)
  return Buffer.concat([header, body])
}

export function encodeRoot(entries: readonly Buffer[], blockSize = 4096, large = false): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(0x30, 0)
  header.writeUInt32LE(1, 4)
  header.writeUInt32LE(blockSize, 8)
  header[12] = 1
  const room = 16 + entries.reduce((sum, { length }) => sum + length, 0)
  return Buffer.concat([header, encodeNode(entries, 16, room, large ? 1 : 0)])
}

/** With fixups applied, as on disk. */
export function encodeBlock(entries: readonly Buffer[], vcn: number, blockSize = 4096): Buffer {
  const strides = blockSize / 512
  const first = Math.ceil((40 + 2 * (strides + 1)) / 8) * 8 - 24
  const bytes = Buffer.alloc(blockSize)
  const node = encodeNode(entries, first, blockSize - 24, 0)
  if (24 + node.length > blockSize) throw new RangeError('the block has no room for these entries')
  bytes.write('INDX', 0, 'latin1')
  bytes.writeUInt16LE(40, 4)
  bytes.writeUInt16LE(strides + 1, 6)
  bytes.writeBigUInt64LE(BigInt(vcn), 16)
  node.copy(bytes, 24)
  protect(bytes)
  return bytes
}

export function protect(bytes: Buffer, check = 0x1234): void {
  const at = bytes.readUInt16LE(4)
  bytes.writeUInt16LE(check, at)
  for (let stride = 0; stride < bytes.length / 512; stride++) {
    const end = (stride + 1) * 512 - 2
    bytes.copy(bytes, at + 2 + 2 * stride, end, end + 2)
    bytes.writeUInt16LE(check, end)
  }
}

export interface TestTree {
  readonly root: Buffer
  readonly blocks: readonly Buffer[]
}

/**
 * A tree over entries that are in order.
 * @param encode an entry, with its child where it has one
 * @param width entries of a node
 * @param place where the block of a number is put, in VCNs
 */
export function buildTree<T>(
  items: readonly T[],
  encode: (item: T, child?: number) => Buffer,
  { width = 10, blockSize = 4096, vcnStep = 1 } = {},
): TestTree {
  const blocks: Buffer[] = []
  const node = (some: readonly T[]): { entries: Buffer[] } => {
    const last = (child?: number) => encodeEntry(Buffer.alloc(8), undefined, child)
    if (some.length <= width) return { entries: [...some.map((item) => encode(item)), last()] }
    const children = Math.min(width, Math.ceil(some.length / width))
    const share = some.length / children
    const entries: Buffer[] = []
    let from = 0
    for (let child = 1; child < children; child++) {
      const separator = Math.round(child * share) - 1
      entries.push(encode(some[separator]!, block(some.slice(from, separator))))
      from = separator + 1
    }
    return { entries: [...entries, last(block(some.slice(from)))] }
  }
  const block = (some: readonly T[]): number => {
    // Its number is taken before those of its children.
    const number = blocks.push(Buffer.alloc(0)) - 1
    blocks[number] = encodeBlock(node(some).entries, number * vcnStep, blockSize)
    return number * vcnStep
  }
  const { entries } = node(items)
  return { root: encodeRoot(entries, blockSize, blocks.length > 0), blocks }
}

/** What openIndex() takes: 4 KiB clusters, all blocks in use. */
export function partsOf({ root, blocks }: TestTree, given: Partial<IndexParts> = {}): IndexParts {
  return {
    name: '$I30 of record 5',
    root,
    ...(blocks.length > 0 && {
      allocation: bufferSource(Buffer.concat(blocks)),
      bitmap: bufferSource(Buffer.alloc(Math.ceil(blocks.length / 64) * 8, 0xff)),
    }),
    clusterSize: 4096,
    blockSize: 4096,
    report: ({ message }) => {
      throw new Error(message)
    },
    ...given,
  }
}
