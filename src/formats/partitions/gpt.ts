import { crc32 } from 'node:zlib'
import type { ByteSource } from '../byte-source.js'
import { formatGuid } from '../guid.js'
import { readBuffer } from '../read-buffer.js'
import type { Partition, PartitionTable } from './partition.js'

/*
 * GUID partition table (UEFI 2.10, 5.3), little-endian. The header is the second sector, its backup the last one:
 *
 *      0  8  "EFI PART"                      entries:
 *     12  4  size of the header                 0 16  type
 *     16  4  CRC-32 of it, this being zero     16 16  GUID
 *     24  8  sector that it is in              32  8  first sector
 *     32  8  sector that the other one is in   40  8  last sector
 *     72  8  first sector of the entries       56 72  name, UTF-16
 *     80  4  count of entries
 *     84  4  size of an entry
 *     88  4  CRC-32 of the entries
 */
const SIGNATURE = 'EFI PART'
const HEADER_SIZE = 92
const ENTRY_SIZE = 128
/** Windows makes 128 of 128 bytes. */
const LARGEST_ARRAY = 4 << 20
const NO_TYPE = Buffer.alloc(16)
const SECTOR_SIZES = [512, 4096, 1024, 2048]

interface Header {
  readonly sectorSize: number
  readonly at: bigint
  /** Where the other copy is, in bytes. */
  readonly other: bigint
  readonly entriesAt: bigint
  readonly entryCount: number
  readonly entrySize: number
  readonly entriesCrc: number
  readonly sound: boolean
}

interface Copy {
  readonly header: Header
  readonly entries: Buffer
  readonly complaints: readonly string[]
}

/** The partitions of a disk by its GPT, or the backup of that where it is damaged; undefined where there is none. */
export async function readGpt(source: ByteSource): Promise<PartitionTable | undefined> {
  const first = await findHeader(source, (sectorSize) => BigInt(sectorSize))
  const primary = first && (await readCopy(source, first, 'the GPT'))
  if (primary && primary.complaints.length === 0) return tableOf(primary)
  const backup = await findBackup(source, first)
  if (backup && (!primary || backup.complaints.length < primary.complaints.length)) {
    const why = primary?.complaints ?? ['the GPT has no header']
    const used = `its backup at 0x${backup.header.at.toString(16)} is used`
    return tableOf({ ...backup, complaints: [...why, used, ...backup.complaints] })
  }
  return primary && tableOf(primary)
}

async function findBackup(source: ByteSource, first: Header | undefined): Promise<Copy | undefined> {
  const headers = [
    await findHeader(source, (sectorSize) => (source.size / BigInt(sectorSize) - 1n) * BigInt(sectorSize)),
    // The disk may have grown since.
    first &&
      decodeHeader(await readBuffer(source, first.other, first.sectorSize), first.sectorSize, first.other),
  ]
  for (const header of headers) if (header) return readCopy(source, header, 'the backup of the GPT')
  return undefined
}

async function findHeader(
  source: ByteSource,
  place: (sectorSize: number) => bigint,
): Promise<Header | undefined> {
  for (const sectorSize of SECTOR_SIZES) {
    const at = place(sectorSize)
    const header = decodeHeader(await readBuffer(source, at, sectorSize), sectorSize, at)
    if (header) return header
  }
  return undefined
}

function decodeHeader(sector: Buffer, sectorSize: number, at: bigint): Header | undefined {
  if (sector.length < HEADER_SIZE || sector.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE)
    return undefined
  const sector64 = (offset: number) => sector.readBigUInt64LE(offset) * BigInt(sectorSize)
  return {
    sectorSize,
    at,
    other: sector64(32),
    entriesAt: sector64(72),
    entryCount: sector.readUInt32LE(80),
    entrySize: sector.readUInt32LE(84),
    entriesCrc: sector.readUInt32LE(88),
    sound: hasSoundCrc(sector) && sector64(24) === at,
  }
}

function hasSoundCrc(sector: Buffer): boolean {
  const size = sector.readUInt32LE(12)
  if (size < HEADER_SIZE || size > sector.length) return false
  const copy = Buffer.from(sector.subarray(0, size))
  copy.writeUInt32LE(0, 16)
  return crc32(copy) === sector.readUInt32LE(16)
}

async function readCopy(source: ByteSource, header: Header, what: string): Promise<Copy> {
  const { entriesAt, entryCount, entrySize, entriesCrc, sound } = header
  const complaints = sound ? [] : [`${what} has a header that is damaged`]
  const length = entryCount * entrySize
  if (entrySize < ENTRY_SIZE || entrySize % 8 !== 0 || length > LARGEST_ARRAY) {
    complaints.push(`${what} claims ${entryCount} entries of ${entrySize} bytes`)
    return { header, entries: Buffer.alloc(0), complaints }
  }
  const entries = await readBuffer(source, entriesAt, length)
  if (entries.length < length || crc32(entries) !== entriesCrc)
    complaints.push(`${what} has entries that are damaged`)
  return { header, entries, complaints }
}

function tableOf({ header: { sectorSize, entrySize }, entries, complaints }: Copy): PartitionTable {
  const partitions: Partition[] = []
  const wrong: string[] = []
  for (let at = 0; at + entrySize <= entries.length; at += entrySize) {
    if (NO_TYPE.compare(entries, at, at + 16) === 0) continue
    const index = at / entrySize + 1
    const first = entries.readBigUInt64LE(at + 32)
    const last = entries.readBigUInt64LE(at + 40)
    if (last < first) {
      wrong.push(`partition ${index} ends before it begins`)
      continue
    }
    partitions.push({
      index,
      start: first * BigInt(sectorSize),
      length: (last - first + 1n) * BigInt(sectorSize),
      type: formatGuid(entries, at),
      name: entries.toString('utf16le', at + 56, at + ENTRY_SIZE).replace(/\0.*$/s, ''),
    })
  }
  return { scheme: 'GPT', sectorSize, partitions, complaints: [...complaints, ...wrong] }
}
