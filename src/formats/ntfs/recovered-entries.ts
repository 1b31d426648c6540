import { ATTRIBUTE } from './attribute-type.js'
import type { DirectoryEntry } from './directory.js'
import { FILE_FLAG } from './file-flags.js'
import { decodeFileName, FIELD, holdsFileName } from './file-name.js'
import { decodeFileReference, type FileReference } from './file-reference.js'
import { collectLinks, type LinkPairs } from './link-pairs.js'
import { hasInUseFlag, scanMft } from './mft-scan.js'
import type { NtfsVolume } from './volume.js'

/** Entries that are given together. */
const BATCH = 256

/** $MFT is scanned when the first damaged directory asks, and serves all others of the volume. */
const scanned = new WeakMap<NtfsVolume, Promise<LinkPairs>>()

/** Files in use whose records name a directory as their parent: what is left of it where its index is damaged. */
export async function* recoverEntries(
  volume: NtfsVolume,
  directory: FileReference,
): AsyncGenerator<readonly DirectoryEntry[]> {
  const pairs = scanned.get(volume) ?? scanLinks(volume)
  scanned.set(volume, pairs)
  let batch: DirectoryEntry[] = []
  for (const number of (await pairs).childrenOf(directory.record)) {
    for (const entry of await entriesIn(volume, number, directory)) batch.push(entry)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function scanLinks(volume: NtfsVolume): Promise<LinkPairs> {
  const collector = collectLinks(volume.report)
  for await (const batch of scanMft(volume, hasInUseFlag))
    for (const { number, names } of batch)
      for (const { parent } of names) collector.add(parent.record, number)
  return collector.end()
}

/** The names that stand in a record, in use, and are of the directory. */
async function entriesIn(
  volume: NtfsVolume,
  number: number,
  directory: FileReference,
): Promise<readonly DirectoryEntry[]> {
  const record = await volume.record(number).catch(() => undefined)
  if (!record || !hasInUseFlag(record.flags)) return []
  const file = record.base ?? { record: number, sequence: record.sequence }
  const entries: DirectoryEntry[] = []
  for (const attribute of record.attributes) {
    if (attribute.type !== ATTRIBUTE.FILE_NAME || !attribute.resident) continue
    const { value } = attribute
    if (!holdsFileName(value, 0, value.length)) continue
    const parent = decodeFileReference(value, FIELD.PARENT)
    if (parent.record !== directory.record || parent.sequence !== directory.sequence) continue
    const fileName = decodeFileName(value)
    entries.push({
      ...file,
      name: fileName.name,
      namespace: fileName.namespace,
      isDirectory: (fileName.flags & FILE_FLAG.HAS_FILE_NAME_INDEX) !== 0,
      source: 'record',
      fileName: () => fileName,
    })
  }
  return entries
}
