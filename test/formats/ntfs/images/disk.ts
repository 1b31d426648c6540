import { crc32 } from 'node:zlib'

const SECTOR = 512
const FIRST = 2048
const NTFS_TYPE = 0x07
/** Microsoft basic data: EBD0A0A2-B9E5-4433-87C0-68B6B72699C7 as it is stored. */
const BASIC_DATA = Buffer.from('a2a0d0ebe5b9334487c068b6b72699c7', 'hex')
const ENTRIES = 128
const ENTRY = 128

/** Byte offset of the volume on the disks made here. */
export const PARTITION_OFFSET = FIRST * SECTOR

/** A disk of 512-byte sectors with a volume in its only partition. */
export function partitioned(volume: Buffer, table: 'mbr' | 'gpt'): Buffer {
  const sectors = volume.length / SECTOR
  const disk = Buffer.alloc(PARTITION_OFFSET + volume.length + 64 * SECTOR)
  volume.copy(disk, PARTITION_OFFSET)
  const last = disk.length / SECTOR - 1
  if (table === 'mbr') writeBootRecord(disk, NTFS_TYPE, FIRST, sectors)
  else {
    writeBootRecord(disk, 0xee, 1, last)
    const entries = Buffer.alloc(ENTRIES * ENTRY)
    BASIC_DATA.copy(entries, 0)
    entries.fill(0x11, 16, 32)
    entries.writeBigUInt64LE(BigInt(FIRST), 32)
    entries.writeBigUInt64LE(BigInt(FIRST + sectors - 1), 40)
    entries.write('volume', 56, 'utf16le')
    writeHeader(disk, entries, 1, last, 2)
    writeHeader(disk, entries, last, 1, last - entries.length / SECTOR)
  }
  return disk
}

function writeBootRecord(disk: Buffer, type: number, first: number, sectors: number): void {
  disk.writeUInt8(type, 450)
  disk.writeUInt32LE(first, 454)
  disk.writeUInt32LE(sectors, 458)
  disk.writeUInt16LE(0xaa55, 510)
}

/** A header of a GPT and the entries that belong to it. */
function writeHeader(disk: Buffer, entries: Buffer, own: number, other: number, entriesAt: number): void {
  const header = disk.subarray(own * SECTOR, own * SECTOR + 92)
  const last = disk.length / SECTOR - 1
  header.write('EFI PART', 0, 'latin1')
  header.writeUInt32LE(0x10000, 8)
  header.writeUInt32LE(header.length, 12)
  header.writeBigUInt64LE(BigInt(own), 24)
  header.writeBigUInt64LE(BigInt(other), 32)
  header.writeBigUInt64LE(BigInt(2 + entries.length / SECTOR), 40)
  header.writeBigUInt64LE(BigInt(last - 1 - entries.length / SECTOR), 48)
  header.fill(0x22, 56, 72)
  header.writeBigUInt64LE(BigInt(entriesAt), 72)
  header.writeUInt32LE(ENTRIES, 80)
  header.writeUInt32LE(ENTRY, 84)
  header.writeUInt32LE(crc32(entries), 88)
  header.writeUInt32LE(crc32(header), 16)
  entries.copy(disk, entriesAt * SECTOR)
}
