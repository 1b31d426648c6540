import type { Libraries } from './libraries.js'
import { WIN32_ERROR, type Win32, Win32Error } from './win32.js'

/** A predefined handle, sign-extended as winreg.h has it. */
const HKEY_LOCAL_MACHINE = 0x80000002 | 0

const KEY_QUERY_VALUE = 1

const FIRST_ROOM = 4096
const MOST_ROOM = 1 << 20

/** The registry of this Windows. Its functions give their errors themselves. */
export function openRegistry({ open }: Libraries): Pick<Win32, 'registryValue'> {
  const library = open('advapi32.dll')
  const openKey = library.func(
    'int __stdcall RegOpenKeyExW(intptr_t key, str16 path, uint32_t options, uint32_t access, void *opened)',
  )
  const closeKey = library.func('int __stdcall RegCloseKey(intptr_t key)')
  // RegGetValueW would do all at once, but Wine's knows no resource lists.
  const queryValue = library.func(
    'int __stdcall RegQueryValueExW(intptr_t key, str16 name, void *reserved, void *type, void *data, void *size)',
  )

  /** @returns ERROR_MORE_DATA where the room is too small: the size told with it is no promise, values change */
  function query(key: bigint, name: string, room: number): Buffer | number {
    const data = Buffer.alloc(room)
    const size = Buffer.alloc(4)
    size.writeUInt32LE(room)
    const error = Number(queryValue(key, name, null, null, data, size))
    return error === 0 ? data.subarray(0, size.readUInt32LE(0)) : error
  }

  return {
    registryValue(path, name) {
      const refuse = (syscall: string, error: number) => {
        if (error === WIN32_ERROR.FILE_NOT_FOUND) return undefined
        throw new Win32Error(syscall, error, `HKLM\\${path}\\${name}`)
      }
      const opened = Buffer.alloc(8)
      const error = Number(openKey(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE, opened))
      if (error !== 0) return refuse('RegOpenKeyExW', error)
      const key = opened.readBigInt64LE()
      try {
        for (let room = FIRST_ROOM; ; room *= 4) {
          const value = query(key, name, room)
          if (typeof value !== 'number') return value
          if (value !== WIN32_ERROR.MORE_DATA || room >= MOST_ROOM) return refuse('RegQueryValueExW', value)
        }
      } finally {
        closeKey(key)
      }
    },
  }
}
