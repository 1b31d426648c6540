import type { ByteSource } from '../byte-source.js'
import { readBuffer } from '../read-buffer.js'
import { BOOT_SECTOR_SIZE } from './boot-sector.js'

/** The backup is the last sector of the partition: of 512 bytes, or of 4096. */
const BACKUP_SECTORS = [512n, 4096n]
const SECTOR_SIZE_AT = 11
const TOTAL_SECTORS_AT = 40

/**
 * Where the backup of a boot sector may stand in a source that begins with the volume: behind the sectors that the
 * first one claims, however damaged that is otherwise, and at the end.
 */
export async function backupPlaces(source: ByteSource): Promise<bigint[]> {
  const first = await readBuffer(source, 0n, BOOT_SECTOR_SIZE).catch(() => Buffer.alloc(0))
  const places = new Set<bigint>()
  if (first.length === BOOT_SECTOR_SIZE) {
    const sectors = first.readBigUInt64LE(TOTAL_SECTORS_AT)
    for (const size of [BigInt(first.readUInt16LE(SECTOR_SIZE_AT)), ...BACKUP_SECTORS])
      places.add(sectors * size)
  }
  for (const size of BACKUP_SECTORS) places.add(source.size - size)
  const last = source.size - BigInt(BOOT_SECTOR_SIZE)
  return [...places].filter((place) => place >= BOOT_SECTOR_SIZE && place <= last)
}
