import type { NtfsFile } from './file.js'
import type { FileAttribute } from './file-attribute.js'
import { decodeRecord, isInUse, type MftRecord, undoRecordFixups } from './record.js'
import type { NtfsVolume } from './volume.js'

/**
 * Reads the records of a file again, for what was read of it on a volume in use may be of two minds.
 * @returns what has changed of the file or the attribute since `file` was opened; undefined: nothing
 */
export async function changeSince(
  volume: NtfsVolume,
  file: NtfsFile,
  attribute: FileAttribute,
): Promise<string | undefined> {
  let change: string | undefined
  for (const before of [file.base, ...file.extensions]) {
    const now = await readAgain(volume, before)
    if (typeof now === 'string') return now
    if (now === before) continue
    if (now.sequence !== before.sequence || isInUse(now) !== isInUse(before))
      return `record ${before.number} was given up or given to another file`
    if (!sameExtents(before, now, attribute)) return 'where its bytes lie, or how many they are'
    change = `record ${before.number}`
  }
  return change
}

/** @returns `before` itself where nothing has changed; a text: why it cannot be read any more */
async function readAgain(volume: NtfsVolume, before: MftRecord): Promise<MftRecord | string> {
  try {
    const raw = await volume.rawRecord(before.number)
    const bytes = Buffer.from(raw)
    undoRecordFixups(bytes)
    return bytes.equals(before.bytes) ? before : decodeRecord(raw, before.number)
  } catch (error) {
    return `record ${before.number}: ${(error as Error).message}`
  }
}

/** Whether all that a record holds of an attribute is as it was: sizes and runs, or its value. */
function sameExtents(before: MftRecord, now: MftRecord, { type, name }: FileAttribute): boolean {
  const extentsOf = ({ attributes, bytes }: MftRecord) =>
    attributes
      .filter((attribute) => attribute.type === type && attribute.name === name)
      .map(({ position, length }) => bytes.subarray(position, position + length))
  const [earlier, later] = [extentsOf(before), extentsOf(now)]
  return earlier.length === later.length && earlier.every((bytes, index) => bytes.equals(later[index]!))
}
