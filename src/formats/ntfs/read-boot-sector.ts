import type { ByteSource } from '../byte-source.js'
import { BOOT_SECTOR_SIZE, decodeBootSector, type Geometry } from './boot-sector.js'
import type { Report } from './finding.js'

/** The backup is the last sector of the partition: of 512 bytes, or of 4096. */
const BACKUP_SECTORS = [512n, 4096n]

/**
 * The geometry of a volume, from its boot sector or, where that is damaged, from its backup.
 * @throws {NtfsError} saying what is wrong with the first
 */
export async function readBootSector(source: ByteSource, report: Report): Promise<Geometry> {
  try {
    return await decodeAt(source, 0n, report)
  } catch (error) {
    for (const size of BACKUP_SECTORS) {
      if (source.size < 2n * size) continue
      const offset = source.size - size
      try {
        const geometry = await decodeAt(source, offset, report)
        report({ message: `${(error as Error).message}; the backup of the boot sector is used`, offset })
        return geometry
      } catch {
        // What is wrong with the first one is what counts.
      }
    }
    throw error
  }
}

async function decodeAt(source: ByteSource, offset: bigint, report: Report): Promise<Geometry> {
  const sector = Buffer.from(await source.read(offset, BOOT_SECTOR_SIZE))
  const geometry = decodeBootSector(sector)
  for (const message of geometry.complaints) report({ message, offset })
  return geometry
}
