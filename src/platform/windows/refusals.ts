import { WIN32_ERROR, type Win32Error } from './win32.js'

/** What an error of Windows means to who wants to load or read a driver. */
export interface Refusal {
  /** A driver or device is missing or does not fit, a right is missing, or a device failed. */
  readonly kind: 'missing' | 'permission' | 'device'
  readonly why: string
  /** What can be done. */
  readonly hint?: string
}

interface Row extends Refusal {
  readonly errors: readonly number[]
  /** The function that gave it, where it means something else elsewhere. */
  readonly from?: string
}

const E = WIN32_ERROR
const ELEVATE = 'run it as administrator'
const OTHER_DRIVER = '--driver FILE gives another one; Windows 10 and later want an attestation-signed one'

const ROWS: readonly Row[] = [
  {
    errors: [E.FILE_NOT_FOUND],
    from: 'CreateFileW',
    kind: 'missing',
    why: 'no such device',
    hint: '--driver FILE loads the WinPmem driver',
  },
  {
    errors: [E.FILE_NOT_FOUND, E.PATH_NOT_FOUND],
    from: 'StartServiceW',
    kind: 'missing',
    why: 'Windows does not find the file of the driver',
    hint: 'something may have removed it from TEMP, which has to be on a local disk',
  },
  {
    errors: [E.ACCESS_DENIED],
    from: 'StartServiceW',
    kind: 'permission',
    why: 'Windows denies the driver',
    hint: 'what guards this machine may forbid drivers: its event log tells',
  },
  { errors: [E.ACCESS_DENIED], kind: 'permission', why: 'access denied', hint: ELEVATE },
  {
    errors: [E.PRIVILEGE_NOT_HELD],
    kind: 'permission',
    why: 'the privilege to load drivers is missing',
    hint: ELEVATE,
  },
  {
    errors: [E.INVALID_IMAGE_HASH],
    kind: 'permission',
    why: 'Windows refuses the signature of the driver',
    hint: OTHER_DRIVER,
  },
  {
    errors: [E.CERT_E_REVOKED],
    kind: 'permission',
    why: 'the certificate that signed the driver was revoked',
    hint: OTHER_DRIVER,
  },
  {
    errors: [E.DRIVER_BLOCKED],
    kind: 'permission',
    why: 'Windows blocks this driver as a vulnerable one',
    hint: '--driver FILE gives a newer one; the blocklist is a setting of Windows Security, core isolation',
  },
  {
    errors: [E.SYSTEM_INTEGRITY_POLICY_VIOLATION],
    kind: 'permission',
    why: 'a code integrity policy of this machine blocks the driver',
    hint: '--driver FILE gives one that it allows; memory integrity (HVCI) is such a policy, too',
  },
  {
    errors: [E.BAD_EXE_FORMAT, E.EXE_MACHINE_TYPE_MISMATCH],
    kind: 'missing',
    why: 'not a driver for the processor of this machine',
    hint: 'a driver has to fit Windows, not this program: x64 on 64-bit Windows',
  },
  {
    errors: [E.VIRUS_INFECTED],
    kind: 'permission',
    why: 'a virus scanner takes the driver for malware',
    hint: 'an exception for the TEMP folder lets it pass',
  },
  {
    errors: [E.PROC_NOT_FOUND],
    kind: 'missing',
    why: 'not a driver for this version of Windows',
    hint: OTHER_DRIVER,
  },
  {
    errors: [E.ALREADY_EXISTS],
    kind: 'device',
    why: 'another driver holds \\\\.\\pmem',
    hint: 'it is a service of another name: sc.exe query type= driver lists them',
  },
  {
    errors: [E.SERVICE_EXISTS],
    kind: 'missing',
    why: 'there is such a service already, and pmem has not made it',
    hint: 'sc.exe qc winpmem shows it, sc.exe start winpmem starts it, sc.exe delete winpmem removes it',
  },
  {
    errors: [E.SERVICE_MARKED_FOR_DELETE],
    kind: 'missing',
    why: 'the service is marked for deletion',
    hint: 'close what has it open, like the list of services or another imager, or restart Windows',
  },
  {
    errors: [E.SERVICE_CANNOT_ACCEPT_CTRL, E.DRIVER_FAILED_PRIOR_UNLOAD],
    kind: 'device',
    why: 'the driver is still in use by another program',
    hint: 'it unloads by itself when that program ends',
  },
  {
    errors: [E.SERVICE_ALREADY_RUNNING],
    kind: 'device',
    why: 'another program has loaded a driver at the same time',
    hint: 'run it again',
  },
  {
    errors: [E.SERVICE_DISABLED],
    kind: 'missing',
    why: 'the service is disabled',
    hint: 'sc.exe delete winpmem removes it',
  },
  {
    errors: [E.SHARING_VIOLATION],
    kind: 'device',
    why: 'another program has it open for itself',
    hint: 'end that program',
  },
  {
    errors: [E.INVALID_FUNCTION, E.INVALID_PARAMETER, E.NOT_SUPPORTED],
    from: 'DeviceIoControl',
    kind: 'missing',
    why: 'the driver refuses what WinPmem offers',
    hint: 'another driver may hold the name: sc.exe query type= driver lists them',
  },
  { errors: [E.NOT_READY], kind: 'device', why: 'the driver is not ready to read' },
  {
    errors: [
      E.FILE_NOT_FOUND,
      E.INVALID_HANDLE,
      E.DEV_NOT_EXIST,
      E.NO_SUCH_DEVICE,
      E.OPERATION_ABORTED,
      E.DEVICE_NOT_CONNECTED,
      E.DEVICE_REMOVED,
    ],
    kind: 'device',
    why: 'the driver is gone',
    hint: 'something else has unloaded it',
  },
]

/** An error of Windows in words, with the next step. */
export function explainRefusal({ errno, syscall }: Win32Error): Refusal {
  const known = ROWS.find(({ errors, from }) => errors.includes(errno) && (from ?? syscall) === syscall)
  return known ?? { kind: 'device', why: `${syscall}: Win32 error ${errno}` }
}
