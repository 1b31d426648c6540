import { NtfsError } from './finding.js'
import { decodeIndexNode, type IndexNode, NODE_HEADER_SIZE } from './index-node.js'

/**
 * $INDEX_ROOT:
 *
 *      0  4  type of the attribute that is indexed; 0: none
 *      4  4  collation                       12  1  clusters per block, or units of 512 bytes
 *      8  4  size of a block                 16     header of the node
 */
const INDEXED_TYPE = 0
const COLLATION = 4
const BLOCK_SIZE = 8
const NODE = 16

const SMALLEST_BLOCK = 512
const LARGEST_BLOCK = 65536

export interface IndexRoot {
  readonly indexedType: number
  /** 0 binary, 1 file name, 2 text, 0x10 number, 0x11 SID, 0x12 security hash, 0x13 numbers. */
  readonly collation: number
  /** Bytes of a block; undefined: the root states none that can be. */
  readonly blockSize: number | undefined
  readonly node: IndexNode
}

/**
 * Decodes the value of $INDEX_ROOT as far as it is sound.
 * @throws {NtfsError} when it is too short to have a node
 */
export function decodeIndexRoot(value: Buffer): IndexRoot {
  if (value.length < NODE + NODE_HEADER_SIZE)
    throw new NtfsError(`an $INDEX_ROOT of ${value.length} bytes has no room for entries`)
  const blockSize = value.readUInt32LE(BLOCK_SIZE)
  return {
    indexedType: value.readUInt32LE(INDEXED_TYPE),
    collation: value.readUInt32LE(COLLATION),
    blockSize: isBlockSize(blockSize) ? blockSize : undefined,
    node: decodeIndexNode(value, NODE),
  }
}

/** Whether blocks of an index can be that large. */
export const isBlockSize = (size: number): boolean =>
  size >= SMALLEST_BLOCK && size <= LARGEST_BLOCK && (size & (size - 1)) === 0
