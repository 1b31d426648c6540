/** One partition of a disk. */
export interface Partition {
  /** As Linux numbers it: primary ones of an MBR 1 to 4, logical ones from 5 on; of a GPT the number of its entry. */
  readonly index: number
  /** In bytes. */
  readonly start: bigint
  /** In bytes, as the table says: of an image that was cut, it may reach past the end. */
  readonly length: bigint
  /** Of an MBR two hexadecimal digits after 0x, of a GPT a GUID. */
  readonly type: string
  /** Of a GPT its label; else empty. */
  readonly name: string
}

export interface PartitionTable {
  readonly scheme: 'MBR' | 'GPT'
  /** The unit in which it counts, in bytes. */
  readonly sectorSize: number
  readonly partitions: readonly Partition[]
  /** What is wrong with it. */
  readonly complaints: readonly string[]
}

/** What people call the types that an NTFS volume may be in, or that lie beside one. */
const TYPES: Readonly<Record<string, string>> = {
  '0x01': 'FAT12',
  '0x04': 'FAT16',
  '0x06': 'FAT16',
  '0x07': 'NTFS or exFAT',
  '0x0b': 'FAT32',
  '0x0c': 'FAT32',
  '0x0e': 'FAT16',
  '0x17': 'hidden NTFS',
  '0x27': 'Windows recovery',
  '0x42': 'Windows dynamic disk',
  '0x82': 'Linux swap',
  '0x83': 'Linux',
  '0x8e': 'Linux LVM',
  '0xef': 'EFI system',
  'c12a7328-f81f-11d2-ba4b-00a0c93ec93b': 'EFI system',
  'e3c9e316-0b5c-4db8-817d-f92df00215ae': 'Microsoft reserved',
  'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7': 'Windows data',
  'de94bba4-06d1-4d40-a16a-bfd50179d6ac': 'Windows recovery',
  '5808c8aa-7e8f-42e0-85d2-e1e90434cfb3': 'Windows dynamic disk metadata',
  'af9b60a0-1431-4f62-bc68-3311714a69ad': 'Windows dynamic disk data',
  'e75caf8f-f680-4cee-afa3-b001e56efc2d': 'Windows Storage Spaces',
  '0fc63daf-8483-4772-8e79-3d69d8477de4': 'Linux',
  '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f': 'Linux swap',
  'e6d6d379-f507-44c2-a23c-238f2a3df928': 'Linux LVM',
}

/** A type in words, where it is a known one. */
export const describeType = (type: string): string => TYPES[type] ?? `type ${type}`
