import type { ByteSource } from '../../byte-source.js'
import { formatGuid } from '../../guid.js'
import type { Report } from '../finding.js'
import { BLOCK_TYPE, readChain } from './metadata-block.js'

/*
 * Of the payload:
 *
 *      0 16  GUID                     56  4  attributes
 *     16 16  GUID of the copy         64  2  bytes of the name that follows: the machine that asked for the copy
 *     32 16  GUID of the set                 then, in the same way, the machine that made it
 */
const NAMES = 64

export interface StoreHeader {
  /** As `vssadmin` and the paths of Windows name the copy. */
  readonly copyId: string
  /** Copies that were made together. */
  readonly setId: string
  /** VSS_VOLUME_SNAPSHOT_ATTRIBUTES. */
  readonly attributes: number
  readonly originatingMachine: string
  readonly serviceMachine: string
}

/** What a store says of the copy; undefined where that is damaged, which is reported. */
export async function readStoreHeader(
  source: ByteSource,
  offset: bigint,
  report: Report,
): Promise<StoreHeader | undefined> {
  const what = 'a store header'
  const chain = readChain({ source, type: BLOCK_TYPE.storeHeader, first: offset, what, report })
  const { value: payload } = await chain.next()
  if (typeof payload !== 'object') return undefined
  const originating = readName(payload, NAMES)
  return {
    copyId: formatGuid(payload, 16),
    setId: formatGuid(payload, 32),
    attributes: payload.readUInt32LE(56),
    originatingMachine: originating.text,
    serviceMachine: readName(payload, originating.end).text,
  }
}

/** A name that reaches past the block is taken for none. */
function readName(payload: Buffer, at: number): { text: string; end: number } {
  if (at + 2 > payload.length) return { text: '', end: at }
  const end = at + 2 + payload.readUInt16LE(at)
  if (end > payload.length) return { text: '', end: payload.length }
  return { text: payload.toString('utf16le', at + 2, end).replace(/\0+$/, ''), end }
}
