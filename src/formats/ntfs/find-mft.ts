import type { ByteSource } from '../byte-source.js'
import { readBuffer } from '../read-buffer.js'
import { backupPlaces } from './backup-places.js'
import { BOOT_SECTOR_SIZE, decodeBootSector, type Geometry } from './boot-sector.js'
import type { Report } from './finding.js'
import { openMft } from './mft.js'
import { findFirstRecord } from './mft-first-record.js'
import type { NtfsStream } from './stream.js'

export interface FoundMft {
  readonly geometry: Geometry
  readonly mft: NtfsStream
}

/**
 * Finds $MFT by the boot sector, and where that does not lead to one without doubt, by its backup. Where neither does,
 * what leads to a doubtful one is taken.
 * @throws {NtfsError} saying what is wrong with the first
 */
export async function findMft(source: ByteSource, report: Report): Promise<FoundMft> {
  let failure: unknown
  for (const doubtful of [false, true])
    for await (const offset of bootSectorPlaces(source))
      try {
        const geometry = decodeBootSector(await readBuffer(source, offset, BOOT_SECTOR_SIZE))
        const { record, complaint } = await findFirstRecord(source, geometry, doubtful)
        if (offset > 0n)
          report({ message: `${(failure as Error).message}; the backup of the boot sector is used`, offset })
        for (const message of geometry.complaints) report({ message, offset })
        if (complaint) report(complaint)
        return { geometry, mft: await openMft(source, geometry, record, report) }
      } catch (error) {
        failure ??= error
      }
  throw failure
}

async function* bootSectorPlaces(source: ByteSource): AsyncGenerator<bigint> {
  yield 0n
  yield* await backupPlaces(source)
}
