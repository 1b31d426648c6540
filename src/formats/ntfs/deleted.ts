import { type FileName, links } from './file-name.js'
import { hasInUseFlag, type ScannedRecord, scanMft } from './mft-scan.js'
import { formerSequence } from './parent-path.js'
import { isInUse } from './record.js'
import type { NtfsVolume } from './volume.js'

/** A name of a file that is no longer in use. */
export interface DeletedLink {
  /** Of the file's base record, and its sequence number as deletion left it. */
  readonly record: number
  readonly sequence: number
  readonly fileName: FileName
}

/** Every name of files that are no longer in use, in the order of $MFT: a batch for a MiB of records. */
export async function* scanDeleted(volume: NtfsVolume): AsyncGenerator<readonly DeletedLink[]> {
  for await (const batch of scanMft(volume, (flags) => !hasInUseFlag(flags))) {
    const found: DeletedLink[] = []
    for (const record of batch) {
      if (record.names.length === 0) continue
      const file = await baseOf(volume, record)
      if (file) for (const fileName of links(record.names)) found.push({ ...file, fileName })
    }
    yield found
  }
}

/** The file whose names stand in a record; undefined when that has given its own record to another one. */
async function baseOf(
  volume: NtfsVolume,
  { number, sequence, base }: ScannedRecord,
): Promise<{ record: number; sequence: number } | undefined> {
  if (!base) return { record: number, sequence }
  const record = await volume.record(base.record).catch(() => undefined)
  if (!record || isInUse(record)) return undefined
  const belongs = record.sequence === base.sequence || formerSequence(record.sequence) === base.sequence
  return belongs ? { record: record.number, sequence: record.sequence } : undefined
}
