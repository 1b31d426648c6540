import type { Call, Libraries } from './libraries.js'
import { type ServiceState, WIN32_ERROR, type Win32 } from './win32.js'

const SC_MANAGER_CONNECT = 1
const SC_MANAGER_CREATE_SERVICE = 2

const SERVICE_QUERY_STATUS = 0x4
const SERVICE_START = 0x10
const SERVICE_STOP = 0x20
const DELETE = 0x10000

const SERVICE_KERNEL_DRIVER = 1
const SERVICE_DEMAND_START = 3
const SERVICE_ERROR_NORMAL = 1
const SERVICE_CONTROL_STOP = 1

/** SERVICE_STATUS: seven DWORDs, of which the second is dwCurrentState. */
const SERVICE_STATUS = { SIZE: 28, CURRENT_STATE: 4 } as const
const STATES: readonly (ServiceState | undefined)[] = [
  undefined,
  'stopped',
  'starting',
  'stopping',
  'running',
]

type Services = Pick<
  Win32,
  'createDriver' | 'startService' | 'stopService' | 'deleteService' | 'serviceState'
>

/** The service manager of this Windows. No handle outlives a call: an open one keeps a deleted service there. */
export function openServices({ open, fail, lastError }: Libraries): Services {
  const library = open('advapi32.dll')
  const openManager = library.func(
    'intptr_t __stdcall OpenSCManagerW(str16 machine, str16 database, uint32_t access)',
  )
  const openService = library.func(
    'intptr_t __stdcall OpenServiceW(intptr_t manager, str16 name, uint32_t access)',
  )
  const createService = library.func(
    'intptr_t __stdcall CreateServiceW(intptr_t manager, str16 name, str16 shown, uint32_t access, uint32_t type, uint32_t start, uint32_t error, str16 path, str16 group, void *tag, str16 dependencies, str16 account, str16 password)',
  )
  const startService = library.func(
    'int __stdcall StartServiceW(intptr_t service, uint32_t count, void *words)',
  )
  const controlService = library.func(
    'int __stdcall ControlService(intptr_t service, uint32_t control, void *status)',
  )
  const queryStatus = library.func('int __stdcall QueryServiceStatus(intptr_t service, void *status)')
  const deleteService = library.func('int __stdcall DeleteService(intptr_t service)')
  const closeServiceHandle = library.func('int __stdcall CloseServiceHandle(intptr_t handle)')

  /** Uses a handle, which is 0 where it could not be had, and closes it. */
  function using<T>(
    handle: ReturnType<Call>,
    syscall: string,
    subject: string,
    use: (handle: ReturnType<Call>) => T,
  ): T {
    if (Number(handle) === 0) fail(syscall, subject)
    try {
      return use(handle)
    } finally {
      closeServiceHandle(handle)
    }
  }

  const withManager = <T>(access: number, use: (manager: ReturnType<Call>) => T): T =>
    using(openManager(null, null, access), 'OpenSCManagerW', 'service manager', use)

  const withService = <T>(name: string, access: number, use: (service: ReturnType<Call>) => T): T =>
    withManager(SC_MANAGER_CONNECT, (manager) =>
      using(openService(manager, name, access), 'OpenServiceW', name, use),
    )

  return {
    createDriver(service, file) {
      withManager(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE, (manager) => {
        const created = createService(
          manager,
          service,
          service,
          DELETE,
          SERVICE_KERNEL_DRIVER,
          SERVICE_DEMAND_START,
          SERVICE_ERROR_NORMAL,
          file,
          null,
          null,
          null,
          null,
          null,
        )
        using(created, 'CreateServiceW', service, () => {})
      })
    },
    startService(name) {
      withService(name, SERVICE_START, (service) => {
        if (startService(service, 0, null) === 0) fail('StartServiceW', name)
      })
    },
    stopService(name) {
      const status = Buffer.alloc(SERVICE_STATUS.SIZE)
      withService(name, SERVICE_STOP, (service) => {
        if (controlService(service, SERVICE_CONTROL_STOP, status) === 0) fail('ControlService', name)
      })
    },
    deleteService(name) {
      withService(name, DELETE, (service) => {
        if (deleteService(service) === 0) fail('DeleteService', name)
      })
    },
    serviceState(name) {
      return withManager(SC_MANAGER_CONNECT, (manager) => {
        const found = openService(manager, name, SERVICE_QUERY_STATUS)
        if (Number(found) === 0 && lastError() === WIN32_ERROR.SERVICE_DOES_NOT_EXIST) return undefined
        return using(found, 'OpenServiceW', name, (service) => {
          const status = Buffer.alloc(SERVICE_STATUS.SIZE)
          if (queryStatus(service, status) === 0) fail('QueryServiceStatus', name)
          return STATES[status.readUInt32LE(SERVICE_STATUS.CURRENT_STATE)]
        })
      })
    },
  }
}
