import { ATTRIBUTE_FLAG } from '../../formats/ntfs/attribute.js'
import type { NtfsFile } from '../../formats/ntfs/file.js'
import { fileFlagNames } from '../../formats/ntfs/file-flags.js'
import type { FileTimes } from '../../formats/ntfs/file-name.js'
import { type Filetime, isOnCalendar, unixNanoseconds } from '../../formats/ntfs/filetime.js'
import { isInUse } from '../../formats/ntfs/record.js'
import { type StandardInformation, standardInformationOf } from '../../formats/ntfs/standard-information.js'
import { dateTime, describe, type Literal, long, text } from '../facts.js'
import { type Facts, ofPath } from '../files/file-facts.js'
import type { NamedStream } from './named-stream.js'

/**
 * META of a stream of NTFS.
 * @param path as bytes
 * @param size of what is sent
 * @param snapshot number of the shadow copy that it comes from
 */
export function describeStream(
  stream: NamedStream,
  path: Buffer,
  size: bigint,
  snapshot: number | undefined,
): string {
  return describe(['aff4:FileImage', 'aff4:Image'], {
    ...ofPath(path),
    'aff4:size': long(size),
    ...ofStandardInformation(stream),
    ...ofFileName(stream),
    ...ofRecord(stream),
    ...ofAttribute(stream),
    'pmem:snapshot': number(snapshot),
  })
}

function ofStandardInformation({ file }: NamedStream): Facts {
  const standard = informationOf(file)
  if (!standard) return {}
  const { times, flags, securityId } = standard
  return {
    'aff4:birthTime': time(times.created),
    'aff4:lastWritten': time(times.modified),
    'aff4:lastAccessed': time(times.accessed),
    'aff4:recordChanged': time(times.changed),
    'pmem:fileFlags': fileFlagNames(flags).map(text),
    'pmem:securityId': number(securityId),
  }
}

/** A damaged one tells nothing; the stream is sent all the same. */
function informationOf(file: NtfsFile): StandardInformation | undefined {
  try {
    return standardInformationOf(file)
  } catch {
    return undefined
  }
}

function ofFileName({ fileName }: NamedStream): Facts {
  const times: Partial<FileTimes> = fileName?.times ?? {}
  return {
    'pmem:fileNameBirthTime': time(times.created),
    'pmem:fileNameLastWritten': time(times.modified),
    'pmem:fileNameLastAccessed': time(times.accessed),
    'pmem:fileNameRecordChanged': time(times.changed),
  }
}

function ofRecord({ file: { base, reference } }: NamedStream): Facts {
  return {
    'pmem:inode': number(reference.record),
    'pmem:sequence': number(reference.sequence),
    'pmem:logSequenceNumber': `${base.lsn}`,
    'pmem:deleted': isInUse(base) ? undefined : 'true',
  }
}

function ofAttribute({ file, attribute }: NamedStream): Facts {
  const { record } = file.reference
  const { type, id, flags, runs, value, sizes } = attribute
  const flag = (bit: number) => ((flags & bit) === 0 ? undefined : 'true')
  return {
    'pmem:attribute': text(`${record}-${type}-${id}`),
    'pmem:resident': `${value !== undefined}`,
    'pmem:runs': value === undefined ? number(runs.length) : undefined,
    'pmem:validDataLength': sizes.initialised === sizes.data ? undefined : long(sizes.initialised),
    'pmem:compressed': flag(ATTRIBUTE_FLAG.COMPRESSED),
    'pmem:encrypted': flag(ATTRIBUTE_FLAG.ENCRYPTED),
    'pmem:sparse': flag(ATTRIBUTE_FLAG.SPARSE),
  }
}

const number = (value: number | undefined): Literal | undefined =>
  value === undefined ? undefined : String(value)

/** Times that are not set, or on no calendar, stand nowhere. */
const time = (value: Filetime | undefined): Literal | undefined =>
  value === undefined || value === 0n || !isOnCalendar(value) ? undefined : dateTime(unixNanoseconds(value))
