import fs, { type BigIntStats } from 'node:fs'
import { blockDevice } from '../../platform/linux/block-device.js'
import { deviceNumber } from '../../platform/linux/mounts.js'
import { readUninterrupted } from '../../platform/read-uninterrupted.js'
import type { Secrets } from '../aff4/encryption/unlock.js'
import type { ByteSource } from '../byte-source.js'
import { decodeFileHeader, SIZES } from '../ewf/structs.js'
import { isEx01 } from '../ewf2/structs.js'
import { descriptorSource, openFileSource, type ReadAt } from '../file-source.js'
import { FormatError } from '../format-error.js'
import { alignedSource } from './aligned-source.js'
import { findDeviceSize } from './device-size.js'

/** `\\.\C:`, `\\.\PhysicalDrive0`, `\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy1`. */
const WINDOWS_DEVICE = /^\\\\[.?]\\[^\\]/
/** What systems other than Windows call standard input: a file may be redirected there. */
const STANDARD_INPUT = '/dev/stdin'
const ZIP_MEMBER = Buffer.from('PK\x03\x04', 'latin1')

export interface OpenImage {
  /** Asked only when an AFF4 volume is encrypted. */
  readonly secrets?: Secrets
  /** Told what is odd about an AFF4 volume or an EWF image. */
  readonly warn?: (message: string) => void
}

/**
 * Opens a disk, a volume, or an image of one, for reading only: as `openImageBytes`, and of an EWF image its medium.
 * @throws as `openImageBytes`; {FormatError} when it is a damaged EWF image
 */
export async function openImage(path: string, given: OpenImage = {}): Promise<ByteSource> {
  const file = await openImageBytes(path, given)
  if (!(await isEwf(file))) return file
  return (await import('./ewf-file.js')).openEwfFile(file, path, given.warn)
}

/** What cannot be read at its beginning may still hold a volume. */
async function isEwf(file: ByteSource): Promise<boolean> {
  try {
    const head = await file.read(0n, SIZES.fileHeader)
    return decodeFileHeader(head) !== undefined || isEx01(head)
  } catch {
    return false
  }
}

/**
 * Opens the bytes of a disk, a volume, or an image of one, for reading only: a file, a block device, a device of Windows
 * by its name, an AFF4 volume with one stream, or `VOLUME.aff4:STREAM`; `-` is standard input, where a file stands there.
 * @throws the operating system's error; {FormatError} when it cannot be read at any place, or is a damaged AFF4 volume
 */
export async function openImageBytes(
  name: string,
  { secrets, warn = () => {} }: OpenImage = {},
): Promise<ByteSource> {
  const path = name === '-' ? STANDARD_INPUT : name
  // Only an AFF4 volume needs its reader, which takes long to load.
  const openAff4 = async (volume: string, name: string | undefined) =>
    (await import('./aff4-image.js')).openAff4Image(volume, name, secrets, warn)
  if (WINDOWS_DEVICE.test(path)) return openWindowsDevice(path)
  const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false })
  if (!stat) {
    const stream = namedStream(path)
    if (stream) return openAff4(stream.volume, stream.name)
    // For the operating system's words.
    return openFileSource(path)
  }
  if (isAff4(path, stat)) return openAff4(path, undefined)
  if (stat.isFile()) return openFileSource(path)
  if (stat.isBlockDevice()) return openBlockDevice(path, stat)
  throw new FormatError(
    `${path}: not a file or a block device, and cannot be read at any place`,
    undefined,
    'write it to a file first',
  )
}

/** Whether `openImageBytes` takes it for an AFF4 volume, or for a stream of one. */
export function isAff4Image(path: string): boolean {
  if (WINDOWS_DEVICE.test(path)) return false
  const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat ? isAff4(path, stat) : namedStream(path) !== undefined
}

const isAff4 = (path: string, stat: BigIntStats) => stat.isDirectory() || (stat.isFile() && beginsAsZip(path))

/** A volume that is there, and the rest of the name behind a colon. */
function namedStream(path: string): { volume: string; name: string } | undefined {
  for (let at = path.indexOf(':'); at >= 0; at = path.indexOf(':', at + 1)) {
    const volume = path.slice(0, at)
    if (fs.existsSync(volume)) return { volume, name: path.slice(at + 1) }
  }
  return undefined
}

function beginsAsZip(path: string): boolean {
  const fd = fs.openSync(path, 'r')
  try {
    const head = Buffer.alloc(ZIP_MEMBER.length)
    return readUninterrupted(fd, head, 0, head.length, 0) === head.length && head.equals(ZIP_MEMBER)
  } finally {
    fs.closeSync(fd)
  }
}

function openBlockDevice(path: string, stat: BigIntStats): ByteSource {
  const fd = fs.openSync(path, 'r')
  const read = deviceReader(fd, path)
  return descriptorSource(fd, path, sizeBySysfs(stat) ?? findDeviceSize(read), read)
}

function sizeBySysfs(stat: BigIntStats): bigint | undefined {
  try {
    return blockDevice(deviceNumber(stat.rdev)).size
  } catch {
    return undefined
  }
}

/**
 * A device by the name that Windows has for it.
 * @param system where it is opened: the tests have devices of their own
 */
export function openWindowsDevice(
  path: string,
  system: Pick<typeof fs, 'openSync' | 'readSync' | 'closeSync'> = fs,
): ByteSource {
  const fd = system.openSync(path, 'r')
  const read = deviceReader(fd, path, system)
  return alignedSource(path, findDeviceSize(read), read, () => system.closeSync(fd))
}

/** Reads of a device: what fails says where. */
const deviceReader =
  (fd: number, name: string, system: Pick<typeof fs, 'readSync'> = fs): ReadAt =>
  (offset, into) => {
    try {
      return system.readSync(fd, into, 0, into.length, offset)
    } catch (error) {
      const place = `at 0x${offset.toString(16)}`
      const failure = error as NodeJS.ErrnoException
      failure.message += ` ${place}`
      failure.path = `${name} ${place}`
      throw failure
    }
  }
