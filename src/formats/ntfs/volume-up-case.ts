import { ATTRIBUTE } from './attribute-type.js'
import { findAttribute } from './file.js'
import { NtfsError } from './finding.js'
import { builtInUpCase, decodeUpCase, UP_CASE_SIZE, type UpCase } from './up-case.js'
import { type NtfsVolume, RECORD } from './volume.js'

const tables = new WeakMap<NtfsVolume, Promise<UpCase>>()

/** The table that a volume brings, read when it is first asked for; the built-in one where it cannot be read. */
export function volumeUpCase(volume: NtfsVolume): Promise<UpCase> {
  const known = tables.get(volume) ?? readUpCase(volume)
  tables.set(volume, known)
  return known
}

async function readUpCase(volume: NtfsVolume): Promise<UpCase> {
  try {
    const data = findAttribute(await volume.file(RECORD.UP_CASE), ATTRIBUTE.DATA)
    if (!data) throw new NtfsError('it has no $DATA')
    return decodeUpCase(await volume.read(data, BigInt(UP_CASE_SIZE)), volume.report)
  } catch (error) {
    volume.report({
      message: `$UpCase cannot be read: ${(error as Error).message}; the built-in table is used`,
      record: RECORD.UP_CASE,
    })
    return builtInUpCase()
  }
}
