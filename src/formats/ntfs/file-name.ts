import { FILE_FLAG } from './file-flags.js'
import { decodeFileReference, type FileReference } from './file-reference.js'
import type { Filetime } from './filetime.js'
import { NtfsError } from './finding.js'

/**
 * $FILE_NAME: the value of an attribute of the file, and the key of its entry in the parent's $I30.
 *
 *      0  8  reference of the parent         40  8  allocated size of the unnamed $DATA
 *      8  8  created                         48  8  its data size
 *     16  8  modified                        56  4  file attributes
 *     24  8  record changed                  60  4  reparse tag, or size of the packed EAs
 *     32  8  accessed                        64  1  length of the name in UTF-16 units
 *                                            65  1  namespace
 *                                            66     name
 */
export const FIELD = {
  PARENT: 0,
  CREATED: 8,
  MODIFIED: 16,
  CHANGED: 24,
  ACCESSED: 32,
  ALLOCATED: 40,
  SIZE: 48,
  FLAGS: 56,
  TAG_OR_EA_SIZE: 60,
  NAME_LENGTH: 64,
  NAMESPACE: 65,
  NAME: 66,
} as const

/** Length of a $FILE_NAME whose name has one unit, the shortest there is. */
export const MINIMUM_FILE_NAME = FIELD.NAME + 2

/** Who may use a name, and by which rules. Other numbers stand on damaged volumes alone. */
export const NAMESPACE_OF = { POSIX: 0, WIN32: 1, DOS: 2, WIN32_AND_DOS: 3 } as const

const NAMESPACE_NAMES: readonly string[] = ['POSIX', 'Win32', 'DOS', 'Win32+DOS']

/** `Win32+DOS`; the number of what is none. */
export const namespaceName = (namespace: number): string => NAMESPACE_NAMES[namespace] ?? String(namespace)

export interface FileTimes {
  readonly created: Filetime
  readonly modified: Filetime
  /** When the MFT record was changed. */
  readonly changed: Filetime
  readonly accessed: Filetime
}

export interface FileName {
  readonly parent: FileReference
  /** UTF-16 units as they are: lone surrogates, too. */
  readonly name: string
  readonly namespace: number
  readonly times: FileTimes
  /** Bytes, of the unnamed $DATA. */
  readonly allocated: bigint
  readonly size: bigint
  /** FILE_FLAG bits. */
  readonly flags: number
  /** Tag of a reparse point, of anything else the size of its packed EAs. */
  readonly tagOrEaSize: number
}

/**
 * Whether a whole $FILE_NAME begins at `at`, its name included; what lies behind it does not count.
 * @param length bytes from `at` on that may belong to it
 */
export const holdsFileName = (bytes: Buffer, at: number, length: number): boolean =>
  length >= MINIMUM_FILE_NAME &&
  at + length <= bytes.length &&
  bytes[at + FIELD.NAME_LENGTH]! > 0 &&
  FIELD.NAME + 2 * bytes[at + FIELD.NAME_LENGTH]! <= length

/**
 * Decodes the $FILE_NAME at `at`.
 * @param length bytes from `at` on that may belong to it
 * @throws {NtfsError} when there is no whole one
 */
export function decodeFileName(bytes: Buffer, at = 0, length = bytes.length - at): FileName {
  if (!holdsFileName(bytes, at, length))
    throw new NtfsError(`a $FILE_NAME of ${length} bytes does not hold its name`)
  return {
    parent: decodeFileReference(bytes, at + FIELD.PARENT),
    name: fileNameText(bytes, at),
    namespace: fileNameNamespace(bytes, at),
    times: {
      created: bytes.readBigInt64LE(at + FIELD.CREATED),
      modified: bytes.readBigInt64LE(at + FIELD.MODIFIED),
      changed: bytes.readBigInt64LE(at + FIELD.CHANGED),
      accessed: bytes.readBigInt64LE(at + FIELD.ACCESSED),
    },
    allocated: bytes.readBigUInt64LE(at + FIELD.ALLOCATED),
    size: bytes.readBigUInt64LE(at + FIELD.SIZE),
    flags: bytes.readUInt32LE(at + FIELD.FLAGS),
    tagOrEaSize: bytes.readUInt32LE(at + FIELD.TAG_OR_EA_SIZE),
  }
}

// Of a $FILE_NAME that holdsFileName() vouched for: in a large directory more is not decoded before it is printed.

export const fileNameText = (bytes: Buffer, at: number): string =>
  bytes.toString('utf16le', at + FIELD.NAME, at + FIELD.NAME + 2 * bytes[at + FIELD.NAME_LENGTH]!)

/** Bytes of all of it. */
export const fileNameLength = (bytes: Buffer, at: number): number =>
  FIELD.NAME + 2 * bytes[at + FIELD.NAME_LENGTH]!

export const fileNameNamespace = (bytes: Buffer, at: number): number => bytes[at + FIELD.NAMESPACE]!

/** Whether the file has an index of names; a bit of the name, not the record's word. */
export const isNameOfDirectory = (bytes: Buffer, at: number): boolean =>
  (bytes.readUInt32LE(at + FIELD.FLAGS) & FILE_FLAG.HAS_FILE_NAME_INDEX) !== 0

/** Namespaces as a path shows them: the first that there is. */
const PREFERENCE: readonly number[] = [
  NAMESPACE_OF.WIN32,
  NAMESPACE_OF.WIN32_AND_DOS,
  NAMESPACE_OF.POSIX,
  NAMESPACE_OF.DOS,
]

const rank = ({ namespace }: { readonly namespace: number }) => {
  const found = PREFERENCE.indexOf(namespace)
  return found < 0 ? PREFERENCE.length : found
}

/** The name that a path to a file is made of; of equal ones the first. */
export function preferredName<N extends { readonly namespace: number }>(names: readonly N[]): N | undefined {
  let best: N | undefined
  for (const name of names) if (best === undefined || rank(name) < rank(best)) best = name
  return best
}

/**
 * The links of a file: each name but the short ones that stand beside a long one in the same directory. A short name
 * without one is a link of its own.
 */
export function links<N extends Pick<FileName, 'namespace' | 'parent'>>(names: readonly N[]): N[] {
  const directory = ({ parent }: N) => `${parent.record}-${parent.sequence}`
  const isShort = ({ namespace }: N) => namespace === NAMESPACE_OF.DOS
  const withLongName = new Set(names.filter((name) => !isShort(name)).map(directory))
  return names.filter((name) => !isShort(name) || !withLongName.has(directory(name)))
}
