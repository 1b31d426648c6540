import type { Libraries } from './libraries.js'
import { type Handle, WIN32_ERROR, type Win32, Win32Error } from './win32.js'

const GENERIC_READ = 0x80000000
const GENERIC_WRITE = 0x40000000
const FILE_SHARE_READ = 1
const FILE_SHARE_WRITE = 2
const OPEN_EXISTING = 3
const INVALID_HANDLE_VALUE = -1n

/** IO_STATUS_BLOCK of a 64-bit process; in a 32-bit one Information stands at 4. */
const IO_STATUS_BLOCK = { SIZE: 16, INFORMATION: process.arch === 'ia32' ? 4 : 8 } as const

type Devices = Pick<Win32, 'openDevice' | 'closeHandle' | 'control' | 'read'>

/** Devices of this Windows: CreateFileW, DeviceIoControl, NtReadFile. */
export function openDevices({ open, fail }: Libraries): Devices {
  const kernel = open('kernel32.dll')
  const createFile = kernel.func(
    'intptr_t __stdcall CreateFileW(str16 name, uint32_t access, uint32_t share, void *security, uint32_t disposition, uint32_t flags, intptr_t template)',
  )
  const closeHandle = kernel.func('int __stdcall CloseHandle(intptr_t handle)')
  const deviceIoControl = kernel.func(
    'int __stdcall DeviceIoControl(intptr_t device, uint32_t code, void *input, uint32_t inputSize, void *output, uint32_t outputSize, void *returned, void *overlapped)',
  )
  const native = open('ntdll.dll')
  // ReadFile leaves its error to the thread that called it, which here is another one; this gives it itself.
  const ntReadFile = native.asyncFunc(
    'int __stdcall NtReadFile(intptr_t file, intptr_t event, void *apc, void *context, void *status, void *buffer, uint32_t length, void *offset, void *key)',
  )
  const toWin32Error = native.func('uint32_t __stdcall RtlNtStatusToDosError(int status)')
  const names = new Map<Handle, string>()

  return {
    openDevice(path, access) {
      const wanted = access === 'read' ? GENERIC_READ : GENERIC_READ + GENERIC_WRITE
      const share = FILE_SHARE_READ | FILE_SHARE_WRITE
      const handle = createFile(path, wanted, share, null, OPEN_EXISTING, 0, 0)
      if (BigInt(handle) === INVALID_HANDLE_VALUE) fail('CreateFileW', path)
      names.set(handle, path)
      return handle
    },
    closeHandle(handle) {
      names.delete(handle)
      if (closeHandle(handle) === 0) fail('CloseHandle')
    },
    control(device, code, input, room) {
      const output = Buffer.alloc(room)
      const returned = Buffer.alloc(4)
      const given = input === undefined || input.length === 0 ? null : input
      const done = deviceIoControl(
        device,
        code,
        given,
        given?.length ?? 0,
        room === 0 ? null : output,
        room,
        returned,
        null,
      )
      if (done === 0) fail('DeviceIoControl', names.get(device))
      return output.subarray(0, Math.min(room, returned.readUInt32LE(0)))
    },
    async read(device, offset, into) {
      const position = Buffer.alloc(8)
      position.writeBigInt64LE(offset)
      const block = Buffer.alloc(IO_STATUS_BLOCK.SIZE)
      const status = await ntReadFile(device, 0, null, null, block, into, into.length, position, null)
      if (Number(status) >= 0) return block.readUInt32LE(IO_STATUS_BLOCK.INFORMATION)
      const error = Number(toWin32Error(status))
      if (error === WIN32_ERROR.HANDLE_EOF) return 0
      throw new Win32Error('NtReadFile', error, names.get(device))
    },
  }
}
