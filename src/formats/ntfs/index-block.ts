import { STRIDE, undoFixups } from './fixups.js'
import { readVcn } from './index-entry.js'
import { decodeIndexNode, type IndexNode } from './index-node.js'

/**
 * Block of $INDEX_ALLOCATION:
 *
 *      0  4  "INDX"                          16  8  own VCN
 *      4  4  offset, count of fixups         24     header of the node
 *      8  8  LSN of the last change
 */
const LSN = 8
const OWN_VCN = 16
/** Where its node begins. */
export const NODE_POSITION = 24
const HEADER_SIZE = 40
const SIGNATURE = 0x58444e49

export interface IndexBlock {
  /** The VCN that it states. */
  readonly vcn: number
  readonly lsn: bigint
  readonly node: IndexNode
  /** What is wrong with it and its node. */
  readonly complaints: readonly string[]
}

/** Whether the bytes begin as a block does. */
export const isIndexBlock = (bytes: Buffer): boolean =>
  bytes.length >= STRIDE && bytes.readUInt32LE(0) === SIGNATURE

/**
 * Decodes a block as far as it is sound; the entries hold a copy of it with fixups undone.
 * @param raw as on disk
 * @returns what is wrong, when it is none
 */
export function decodeIndexBlock(raw: Buffer): IndexBlock | string {
  if (!isIndexBlock(raw)) return 'has no signature'
  const bytes = Buffer.from(raw)
  const fixups = undoFixups(bytes, HEADER_SIZE)
  if (!fixups) return 'has fixups where none can be'
  const node = decodeIndexNode(bytes, NODE_POSITION)
  const torn = fixups.torn.length === 0 ? [] : [`has torn sectors: ${fixups.torn.join(', ')}`]
  return {
    vcn: readVcn(bytes, OWN_VCN),
    lsn: bytes.readBigUInt64LE(LSN),
    node,
    complaints: [...fixups.complaints, ...torn, ...node.complaints],
  }
}
