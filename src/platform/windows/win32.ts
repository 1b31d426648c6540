import type { Bytes } from '../../formats/byte-source.js'

/** What Windows gives for something that is open. */
export type Handle = number | bigint

/** SERVICE_STATUS.dwCurrentState; pausing is not for drivers. */
export type ServiceState = 'stopped' | 'starting' | 'stopping' | 'running'

/**
 * What we call of Windows: devices, drivers as services, the registry. Everything above it runs anywhere, against
 * a Win32 that a test has made.
 *
 * Every call throws a Win32Error where Windows refuses.
 */
export interface Win32 {
  /** CreateFileW of a device or a volume that exists, which others may go on reading and writing. */
  openDevice(path: string, access: 'read' | 'read-write'): Handle
  closeHandle(handle: Handle): void
  /**
   * DeviceIoControl.
   * @param room for the answer, of at most so many bytes
   * @returns the answer, as long as it is
   */
  control(device: Handle, code: number, input: Bytes | undefined, room: number): Buffer
  /**
   * NtReadFile at an offset of its own, in a thread: what is read and how long it takes is no matter of the event loop.
   * @param offset below 2^63
   * @returns how many bytes were read; 0 at the end of a file or volume
   */
  read(device: Handle, offset: bigint, into: Bytes): Promise<number>
  /** CreateServiceW of a kernel driver, started on demand. */
  createDriver(service: string, file: string): void
  startService(service: string): void
  stopService(service: string): void
  /** Marks it for deletion: it goes when it is stopped and nobody has it open. */
  deleteService(service: string): void
  /** Undefined where no such service is known. */
  serviceState(service: string): ServiceState | undefined
  /** ImagePath of a service; undefined where no such service is known. */
  serviceFile(service: string): string | undefined
  /**
   * A value below HKEY_LOCAL_MACHINE as it is stored.
   * @returns undefined where there is none
   */
  registryValue(key: string, name: string): Buffer | undefined
}

/** Windows refused a call. Looks like an error of Node's own file functions. */
export class Win32Error extends Error {
  override readonly name = 'Win32Error'
  /**
   * @param syscall the function that refused
   * @param errno what GetLastError gave
   * @param subject the file, device or service
   */
  constructor(
    readonly syscall: string,
    readonly errno: number,
    readonly subject?: string,
  ) {
    super(`${subject === undefined ? '' : `${subject}: `}${syscall}: Win32 error ${errno}`)
  }
}

/** Of winerror.h, those that mean something to us. */
export const WIN32_ERROR = {
  INVALID_FUNCTION: 1,
  FILE_NOT_FOUND: 2,
  PATH_NOT_FOUND: 3,
  ACCESS_DENIED: 5,
  INVALID_HANDLE: 6,
  NOT_READY: 21,
  CRC: 23,
  BAD_LENGTH: 24,
  SHARING_VIOLATION: 32,
  HANDLE_EOF: 38,
  NOT_SUPPORTED: 50,
  DEV_NOT_EXIST: 55,
  INVALID_PARAMETER: 87,
  INSUFFICIENT_BUFFER: 122,
  PROC_NOT_FOUND: 127,
  ALREADY_EXISTS: 183,
  BAD_EXE_FORMAT: 193,
  EXE_MACHINE_TYPE_MISMATCH: 216,
  VIRUS_INFECTED: 225,
  MORE_DATA: 234,
  NO_SUCH_DEVICE: 433,
  INVALID_IMAGE_HASH: 577,
  DRIVER_FAILED_PRIOR_UNLOAD: 654,
  OPERATION_ABORTED: 995,
  PRIVILEGE_NOT_HELD: 1314,
  SERVICE_ALREADY_RUNNING: 1056,
  SERVICE_DISABLED: 1058,
  SERVICE_DOES_NOT_EXIST: 1060,
  SERVICE_CANNOT_ACCEPT_CTRL: 1061,
  SERVICE_NOT_ACTIVE: 1062,
  SERVICE_MARKED_FOR_DELETE: 1072,
  SERVICE_EXISTS: 1073,
  IO_DEVICE: 1117,
  DEVICE_NOT_CONNECTED: 1167,
  DRIVER_BLOCKED: 1275,
  DEVICE_REMOVED: 1617,
  SYSTEM_INTEGRITY_POLICY_VIOLATION: 4551,
  CERT_E_REVOKED: 0x800b010c,
} as const
