import type { FormatError } from '../format-error.js'
import { NtfsError } from './finding.js'

/**
 * Boot sector, little-endian; 512 bytes matter, whatever the size of a sector:
 *
 *      3  8  OEM id: "NTFS" and four blanks    56  8  LCN of $MFTMirr
 *     11  2  bytes per sector                  64  1  clusters per MFT record, signed
 *     13  1  sectors per cluster, encoded      68  1  clusters per index block, signed
 *     40  8  total sectors                     72  8  serial number
 *     48  8  LCN of $MFT                      510  2  55 AA
 */
export const BOOT_SECTOR_SIZE = 512

/** What the boot sector says of a volume; sizes in bytes. */
export interface Geometry {
  readonly sectorSize: number
  readonly clusterSize: number
  readonly clusterCount: number
  readonly recordSize: number
  /** The default of new directories; each index states its own. */
  readonly indexBlockSize: number
  /** Of all sectors but the backup boot sector, which follows them. */
  readonly volumeSize: bigint
  readonly mftLcn: number
  readonly mirrorLcn: number
  readonly serial: bigint
  /** What is odd about the sector and harmless. */
  readonly complaints: readonly string[]
}

const OEM_ID = 'NTFS    '
const OTHER_SYSTEMS: Readonly<Record<string, string>> = {
  '-FVE-FS-': 'a volume that BitLocker encrypts',
  'ReFS\0\0\0\0': 'a ReFS volume',
  'EXFAT   ': 'an exFAT volume',
}
const SECTOR_SIZES = { smallest: 256, largest: 4096 }
const LARGEST_CLUSTER = 2 << 20
const RECORD_SIZES = { smallest: 256, largest: 65536 }
const INDEX_BLOCK_SIZES = { smallest: 256, largest: 65536 }

/** Whether the sector claims to be one of NTFS. */
const isNtfs = (sector: Buffer): boolean =>
  sector.length >= BOOT_SECTOR_SIZE && sector.toString('latin1', 3, 11) === OEM_ID

/**
 * Decodes a boot sector of 512 bytes or more.
 * @throws {NtfsError} when it is none of NTFS, or states what no volume can have
 */
export function decodeBootSector(sector: Buffer): Geometry {
  if (sector.length < BOOT_SECTOR_SIZE) throw new NtfsError(`a boot sector of ${sector.length} bytes`)
  if (!isNtfs(sector)) throw foreign(sector.toString('latin1', 3, 11))
  const sectorSize = sector.readUInt16LE(11)
  if (!isPower(sectorSize, SECTOR_SIZES)) throw new NtfsError(`sectors of ${sectorSize} bytes`, 11n)
  const code = sector[13]!
  const sectorsPerCluster = code > 0x80 ? 2 ** (256 - code) : code
  const clusterSize = sectorSize * sectorsPerCluster
  if (!isPower(clusterSize, { smallest: sectorSize, largest: LARGEST_CLUSTER }))
    throw new NtfsError(`clusters of ${clusterSize} bytes`, 13n)
  const totalSectors = sector.readBigUInt64LE(40)
  const clusterCount = Number(totalSectors / BigInt(sectorsPerCluster))
  if (clusterCount === 0 || !Number.isSafeInteger(clusterCount))
    throw new NtfsError(`a volume of ${totalSectors} sectors`, 40n)
  const recordSize = unitSize(sector.readInt8(64), clusterSize)
  if (!isPower(recordSize, RECORD_SIZES)) throw new NtfsError(`MFT records of ${recordSize} bytes`, 64n)
  const complaints: string[] = []
  let indexBlockSize = unitSize(sector.readInt8(68), clusterSize)
  if (!isPower(indexBlockSize, INDEX_BLOCK_SIZES)) {
    complaints.push(`the boot sector claims index blocks of ${indexBlockSize} bytes`)
    indexBlockSize = 4096
  }
  if (sector.readUInt16LE(510) !== 0xaa55) complaints.push('the boot sector does not end with 55 AA')
  const mftLcn = lcn(sector, 48, clusterCount)
  const mirrorLcn = lcn(sector, 56, clusterCount)
  if (mftLcn === undefined && mirrorLcn === undefined)
    throw new NtfsError('neither $MFT nor its mirror lies within the volume', 48n)
  if (mftLcn === undefined || mirrorLcn === undefined || mftLcn === mirrorLcn)
    complaints.push('the boot sector places $MFT or its mirror outside the volume, or both at one place')
  return {
    sectorSize,
    clusterSize,
    clusterCount,
    recordSize,
    indexBlockSize,
    volumeSize: totalSectors * BigInt(sectorSize),
    mftLcn: (mftLcn ?? mirrorLcn)!,
    mirrorLcn: (mirrorLcn ?? mftLcn)!,
    serial: sector.readBigUInt64LE(72),
    complaints,
  }
}

/** Positive: clusters; negative: the power of two that it is in bytes. */
const unitSize = (code: number, clusterSize: number) => (code < 0 ? 2 ** -code : code * clusterSize)

const isPower = (value: number, { smallest, largest }: { smallest: number; largest: number }) =>
  value >= smallest && value <= largest && Number.isInteger(Math.log2(value))

function lcn(sector: Buffer, at: number, clusterCount: number): number | undefined {
  const value = Number(sector.readBigUInt64LE(at))
  return value >= 1 && value < clusterCount ? value : undefined
}

function foreign(oemId: string): FormatError {
  const other = OTHER_SYSTEMS[oemId]
  return other === undefined
    ? new NtfsError('no boot sector of NTFS', 0n)
    : new NtfsError(`${other}, not NTFS`, 3n)
}
