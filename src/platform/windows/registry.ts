import type { Libraries } from './libraries.js'
import { WIN32_ERROR, type Win32, Win32Error } from './win32.js'

/** A predefined handle, sign-extended as winreg.h has it. */
const HKEY_LOCAL_MACHINE = 0x80000002 | 0

const RRF_RT_ANY = 0xffff
/** A REG_EXPAND_SZ as it is stored. */
const RRF_NOEXPAND = 0x10000000

const FIRST_ROOM = 4096
const MOST_ROOM = 1 << 20

/** The registry of this Windows: RegGetValueW, which gives its error itself. */
export function openRegistry({ open }: Libraries): Required<Pick<Win32, 'registryValue'>> {
  const getValue = open('advapi32.dll').func(
    'int __stdcall RegGetValueW(intptr_t key, str16 path, str16 name, uint32_t flags, void *type, void *data, void *size)',
  )
  return {
    registryValue(key, name) {
      for (let room = FIRST_ROOM; ; room *= 4) {
        const data = Buffer.alloc(room)
        const size = Buffer.alloc(4)
        size.writeUInt32LE(room)
        const error = Number(
          getValue(HKEY_LOCAL_MACHINE, key, name, RRF_RT_ANY | RRF_NOEXPAND, null, data, size),
        )
        if (error === 0) return data.subarray(0, size.readUInt32LE(0))
        if (error === WIN32_ERROR.FILE_NOT_FOUND) return undefined
        // The size that comes with MORE_DATA is no promise where the value changes meanwhile.
        if (error !== WIN32_ERROR.MORE_DATA || room >= MOST_ROOM)
          throw new Win32Error('RegGetValueW', error, `HKLM\\${key}\\${name}`)
      }
    },
  }
}
