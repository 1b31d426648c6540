import { ATTRIBUTE } from '../attribute-type.js'
import { findAttribute, type NtfsFile } from '../file.js'
import { openFileIndex } from '../file-index.js'
import { NtfsError, type Report } from '../finding.js'
import { entryData, entryKey } from '../index-entry.js'
import { findInIndex } from '../index-walk.js'
import { standardInformationOf } from '../standard-information.js'
import { type NtfsVolume, RECORD } from '../volume.js'
import { readSecurityEntry, type SecurityEntryPlace, scanSecurityEntries } from './store.js'

/** Data of an entry of $SII: hash (4), security id (4), offset (8) and length (4) of the entry in $SDS. */
const PLACE_SIZE = 20
const SDS_OFFSET = 8
const SDS_LENGTH = 16
/** Windows takes no descriptor above 64 KiB. */
const LARGEST_DESCRIPTOR = 1n << 20n

/** The security descriptor of a file, and where it stands. */
export interface FileSecurity {
  /** Key of $Secure:$SII; undefined: the descriptor is an attribute of the file, as before NTFS 3.0. */
  readonly id: number | undefined
  readonly descriptor: Buffer
}

/**
 * The descriptor of a file: its own $SECURITY_DESCRIPTOR, or what its security id leads to in $Secure.
 * @param report told of copies that had to be used
 * @returns undefined when it has none
 * @throws {NtfsError} when it cannot be read
 */
export async function readFileSecurity(
  volume: NtfsVolume,
  file: NtfsFile,
  report: Report,
): Promise<FileSecurity | undefined> {
  const own = findAttribute(file, ATTRIBUTE.SECURITY_DESCRIPTOR)
  if (own) return { id: undefined, descriptor: await volume.read(own, LARGEST_DESCRIPTOR) }
  const id = standardInformationOf(file)?.securityId
  if (!id) return undefined
  const descriptor = await descriptorOf(volume, id, report)
  if (!descriptor) throw new NtfsError(`$Secure knows no security id ${id}`)
  return { id, descriptor }
}

async function descriptorOf(volume: NtfsVolume, id: number, report: Report): Promise<Buffer | undefined> {
  const secure = await volume.file(RECORD.SECURE)
  const data = findAttribute(secure, ATTRIBUTE.DATA, '$SDS')
  if (!data) throw new NtfsError('$Secure has no $SDS')
  const sds = volume.stream(data, '$SDS')
  let reason = 'it does not lead there'
  try {
    const entry = await readSecurityEntry(sds, id, (wanted) => findPlace(volume, secure, wanted), report)
    if (entry) return entry.descriptor
  } catch (error) {
    reason = (error as Error).message
  }
  for await (const entry of scanSecurityEntries(sds, report))
    if (entry.id === id) {
      report({ message: `security id ${id} was found without $SII: ${reason}`, offset: entry.offset })
      return entry.descriptor
    }
  return undefined
}

async function findPlace(
  volume: NtfsVolume,
  secure: NtfsFile,
  id: number,
): Promise<SecurityEntryPlace | undefined> {
  const index = openFileIndex(volume, secure, '$SII')
  for await (const batch of findInIndex(index, (entry) => {
    const key = entryKey(entry)
    return key.length < 4 ? -1 : key.readUInt32LE(0) - id
  }))
    for (const entry of batch) {
      const data = entryData(entry)
      if (data.length >= PLACE_SIZE)
        return { offset: data.readBigUInt64LE(SDS_OFFSET), length: data.readUInt32LE(SDS_LENGTH) }
    }
  return undefined
}
