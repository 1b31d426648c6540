import type { Bytes } from '../../formats/byte-source.js'
import { type Handle, WIN32_ERROR, type Win32, Win32Error } from './win32.js'
import { ACQUISITION_MODE, type AcquisitionMode, type Method, WINPMEM_CODES } from './winpmem-codes.js'
import { decodeWinpmemInfo, INFO_ROOM, type WinpmemInfo } from './winpmem-info.js'

/** What an open driver tells about itself and the machine. */
export interface Introduction {
  readonly method: Method
  /** Undefined where it has no room for all ranges of memory, and so tells nothing. */
  readonly info: WinpmemInfo | undefined
}

/** GET_INFO with more ranges than the driver has room for. */
const TOO_MUCH: readonly number[] = [
  WIN32_ERROR.BAD_LENGTH,
  WIN32_ERROR.INSUFFICIENT_BUFFER,
  WIN32_ERROR.MORE_DATA,
]

/**
 * Asks the driver by the codes of one generation after the other; to those of another it answers with an error.
 * @throws {Win32Error} when it answers to none
 * @throws {FormatError} when the answer makes no sense
 */
export function introduce(win32: Win32, device: Handle): Introduction {
  let refusal: unknown
  for (const method of ['neither', 'buffered'] as const)
    try {
      const answer = win32.control(device, WINPMEM_CODES[method].getInfo, undefined, INFO_ROOM)
      return { method, info: decodeWinpmemInfo(answer) }
    } catch (error) {
      if (!(error instanceof Win32Error)) throw error
      if (TOO_MUCH.includes(error.errno)) return { method, info: undefined }
      refusal = error
    }
  throw refusal
}

/** Without page table entries of its own, the next best. MmMapIoSpace can stop Windows: only who asks for it. */
const BY_ITSELF: readonly AcquisitionMode[] = ['pte', 'physical']

export interface ModeChoice {
  readonly method: Method
  /** The only mode to try. */
  readonly wanted: AcquisitionMode | undefined
  /** Nobody else can have set a mode. */
  readonly fresh: boolean
}

/**
 * Sets how memory is read, which has to come before any read: a driver that was not told may choose MmMapIoSpace.
 * @returns undefined where the driver has been told before, and takes no second one
 * @throws {Win32Error} when it has none of the modes
 */
export function setMode(
  win32: Win32,
  device: Handle,
  { method, wanted, fresh }: ModeChoice,
): AcquisitionMode | undefined {
  const refusals: Win32Error[] = []
  for (const mode of wanted ? [wanted] : BY_ITSELF)
    try {
      win32.control(device, WINPMEM_CODES[method].setMode, modeArgument(mode), 0)
      return mode
    } catch (error) {
      if (!(error instanceof Win32Error)) throw error
      refusals.push(error)
    }
  if (!fresh && refusals.every(({ errno }) => errno === WIN32_ERROR.ACCESS_DENIED)) return undefined
  throw refusals.at(-1)
}

function modeArgument(mode: AcquisitionMode): Bytes {
  const argument = Buffer.alloc(4)
  argument.writeUInt32LE(ACQUISITION_MODE[mode])
  return argument
}

/** What a read fails with when no other one can succeed either. */
const GONE: readonly number[] = [
  WIN32_ERROR.FILE_NOT_FOUND,
  WIN32_ERROR.INVALID_HANDLE,
  WIN32_ERROR.NOT_READY,
  WIN32_ERROR.DEV_NOT_EXIST,
  WIN32_ERROR.NO_SUCH_DEVICE,
  WIN32_ERROR.OPERATION_ABORTED,
  WIN32_ERROR.DEVICE_NOT_CONNECTED,
  WIN32_ERROR.DEVICE_REMOVED,
]

/** Whether a read failed because of the driver, not because of the page. */
export const isDriverGone = (error: unknown): error is Win32Error =>
  error instanceof Win32Error && GONE.includes(error.errno)
