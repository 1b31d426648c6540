import { asBuffer } from '../../../codecs/views.js'
import type { ByteSource } from '../../byte-source.js'
import { formatGuid } from '../../guid.js'
import type { Report } from '../finding.js'
import { BLOCK_TYPE, hasIdentifier } from './metadata-block.js'

/*
 * Every volume that ever had a shadow copy has this at 0x1E00, behind the boot code:
 *
 *      0  .. as every block       64 16  GUID of the volume
 *     48  8  offset of the        80 16  GUID of the volume that stores its shadow copies
 *            catalog, 0: none
 */
const OFFSET = 0x1e00n
const SIZE = 128

export interface VolumeHeader {
  /** 0 where there is none. */
  readonly catalogOffset: bigint
  readonly volumeId: string
  /** Of the volume that the offsets count on. */
  readonly storageId: string
}

/** What a volume says of its shadow copies; undefined where it never had any. */
export async function readVolumeHeader(
  source: ByteSource,
  report: Report,
): Promise<VolumeHeader | undefined> {
  const read = await source.read(OFFSET, SIZE)
  const header = asBuffer(read)
  if (header.length < SIZE || !hasIdentifier(header)) return undefined
  const type = header.readUInt32LE(20)
  if (type !== BLOCK_TYPE.volumeHeader) {
    report({
      message: `the header of the shadow copies is of type ${type}, and is passed over`,
      offset: OFFSET,
    })
    return undefined
  }
  return {
    catalogOffset: header.readBigUInt64LE(48),
    volumeId: formatGuid(header, 64),
    storageId: formatGuid(header, 80),
  }
}
