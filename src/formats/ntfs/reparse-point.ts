import { formatGuid, GUID_SIZE } from '../guid.js'
import { NtfsError } from './finding.js'

/** $REPARSE_POINT: u32 tag, u16 bytes of data, u16 unused, the GUID of its maker where bit 31 is clear, the data. */
const HEADER_SIZE = 8

export const REPARSE_TAG = {
  MOUNT_POINT: 0xa000_0003,
  SYMLINK: 0xa000_000c,
  WOF: 0x8000_0017,
  DEDUP: 0x8000_0013,
  APP_EXEC_LINK: 0x8000_001b,
  WSL_SYMLINK: 0xa000_001d,
  WSL_SOCKET: 0x8000_0023,
  WSL_FIFO: 0x8000_0024,
  WSL_CHARACTER_DEVICE: 0x8000_0025,
  WSL_BLOCK_DEVICE: 0x8000_0026,
  CONTAINER: 0x8000_0018,
  CONTAINER_LINK: 0x9000_1018,
  NFS: 0x8000_0014,
  HSM: 0xc000_0004,
  HSM2: 0x8000_0006,
  SIS: 0x8000_0007,
  WIM: 0x8000_0008,
  DFS: 0x8000_000a,
  DFSR: 0x8000_0012,
  PROJECTED_FILE: 0x9000_001c,
  GLOBAL_REPARSE: 0xa000_0019,
} as const

const NAMES = new Map<number, string>(
  Object.entries(REPARSE_TAG).map(([name, tag]) => [tag, name.toLowerCase().replaceAll('_', '-')]),
)

const CLOUD = 0x9000_001a
const CLOUD_DIGIT = 0x0000_f000
const MICROSOFT = 0x8000_0000
const NAME_SURROGATE = 0x2000_0000
const DIRECTORY = 0x1000_0000
const RELATIVE = 1
const WSL_SYMLINK_VERSION = 2
/** The strings of an AppExecLink: package, entry point, target, type. */
const APP_EXEC_LINK_TARGET = 2
const MOST_STRINGS = 64

export interface ReparsePoint {
  readonly tag: number
  /** `symlink`; `cloud` for all sixteen of its tags; hexadecimal for one without a name. */
  readonly name: string
  /** What the tag's bits say: it stands for another file; it is a directory with entries. */
  readonly isNameSurrogate: boolean
  readonly isDirectory: boolean
  /** Whose tag it is, where it isn't Microsoft's. */
  readonly guid?: string
  /** What lies behind the header, as it is. */
  readonly data: Buffer
  /** Where it leads, as found: never resolved. */
  readonly target?: string
  /** Of junctions and symlinks: the target as it is shown to people. */
  readonly shown?: string
  /** Of symlinks: the target counts from where the link stands. */
  readonly relative?: boolean
  /** Of AppExecLinks: all strings. */
  readonly strings?: readonly string[]
  /** Why nothing more could be told from the data. */
  readonly complaint?: string
}

/** No more of one is read; the driver of Windows stops at 16 KiB. */
export const LARGEST_REPARSE_POINT = 1n << 20n

/** @throws {NtfsError} when not even the header is whole */
export function decodeReparsePoint(value: Buffer): ReparsePoint {
  if (value.length < HEADER_SIZE) throw new NtfsError(`$REPARSE_POINT of ${value.length} bytes is cut off`)
  const tag = value.readUInt32LE(0)
  const claimed = value.readUInt16LE(4)
  const isThirdParty = (tag & MICROSOFT) === 0
  const hasGuid = isThirdParty && value.length >= HEADER_SIZE + GUID_SIZE
  const dataAt = HEADER_SIZE + (hasGuid ? GUID_SIZE : 0)
  const data = value.subarray(dataAt, dataAt + claimed)
  const facts = {
    tag,
    name: reparseTagName(tag),
    isNameSurrogate: (tag & NAME_SURROGATE) !== 0,
    isDirectory: (tag & DIRECTORY) !== 0,
    ...(hasGuid && { guid: formatGuid(value, HEADER_SIZE) }),
    data,
  }
  if (isThirdParty && !hasGuid) return { ...facts, complaint: 'the GUID of its maker is cut off' }
  if (data.length < claimed)
    return { ...facts, complaint: `its data are ${data.length} bytes where its header says ${claimed}` }
  return { ...facts, ...decodeData(tag, data) }
}

export function reparseTagName(tag: number): string {
  if ((tag & ~CLOUD_DIGIT) >>> 0 === CLOUD) return 'cloud'
  return NAMES.get(tag) ?? `0x${tag.toString(16)}`
}

type Told = Pick<ReparsePoint, 'target' | 'shown' | 'relative' | 'strings' | 'complaint'>

function decodeData(tag: number, data: Buffer): Told {
  switch (tag) {
    case REPARSE_TAG.MOUNT_POINT:
      return decodePaths(data, 8)
    case REPARSE_TAG.SYMLINK: {
      const paths = decodePaths(data, 12)
      return paths.complaint ? paths : { ...paths, relative: (data.readUInt32LE(8) & RELATIVE) !== 0 }
    }
    case REPARSE_TAG.WSL_SYMLINK:
      if (data.length < 4 || data.readUInt32LE(0) !== WSL_SYMLINK_VERSION)
        return { complaint: 'its version is not known' }
      return { target: data.toString('utf8', 4) }
    case REPARSE_TAG.APP_EXEC_LINK: {
      if (data.length < 4) return { complaint: 'its data are cut off' }
      const strings = data.toString('utf16le', 4).split('\0', MOST_STRINGS)
      if (strings.at(-1) === '') strings.pop()
      const target = strings[APP_EXEC_LINK_TARGET]
      return { strings, ...(target !== undefined && { target }) }
    }
    default:
      return {}
  }
}

/** Of junctions and symlinks: offset and length of substitute and print name (2 each), counted from `namesAt`. */
function decodePaths(data: Buffer, namesAt: number): Told {
  if (data.length < namesAt) return { complaint: 'its data are cut off' }
  const name = (field: number) => {
    const start = namesAt + data.readUInt16LE(field)
    const end = start + data.readUInt16LE(field + 2)
    return end <= data.length ? data.toString('utf16le', start, end) : undefined
  }
  const target = name(0)
  const shown = name(4)
  if (target === undefined || shown === undefined) return { complaint: 'its names lie past its end' }
  return { target, shown }
}
