/*
 * Control codes of the WinPmem driver (winpmem/kernel/userspace_interface/winpmem_shared.h): CTL_CODE of device type
 * 0x22, with access to read and write. All generations have the same functions, each by its own transfer method:
 * 1.x is METHOD_BUFFERED, 2.0 to 4.1 are METHOD_NEITHER.
 */

const FILE_DEVICE_UNKNOWN = 0x22
const FILE_READ_DATA_AND_WRITE_DATA = 3

const SET_MODE = 0x101
const GET_INFO = 0x103

const METHOD = { buffered: 0, neither: 3 } as const

/** How a driver takes its arguments, which tells its generation. */
export type Method = keyof typeof METHOD

export const WINPMEM_DEVICE = '\\\\.\\pmem'

/** CTL_CODE of winioctl.h. */
const controlCode = (code: number, method: Method): number =>
  (FILE_DEVICE_UNKNOWN << 16) | (FILE_READ_DATA_AND_WRITE_DATA << 14) | (code << 2) | METHOD[method]

const codesOf = (method: Method) => ({
  getInfo: controlCode(GET_INFO, method),
  setMode: controlCode(SET_MODE, method),
})

export const WINPMEM_CODES: Readonly<Record<Method, { readonly getInfo: number; readonly setMode: number }>> =
  {
    neither: codesOf('neither'),
    buffered: codesOf('buffered'),
  }

/** How the driver reaches physical memory. */
export const ACQUISITION_MODE = {
  /** MmMapIoSpace: may stop Windows at a page that is in use. */
  iospace: 0,
  /** The section \Device\PhysicalMemory. */
  physical: 1,
  /** A page table entry of its own, remapped to each page; x64 only. */
  pte: 2,
} as const
export type AcquisitionMode = keyof typeof ACQUISITION_MODE
