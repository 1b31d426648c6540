import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../../formats/byte-source.js'
import type { Win32 } from './win32.js'

const MEMORY_MANAGEMENT = 'SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management'

/**
 * The page files that Windows uses, in the order of their numbers: `C:\pagefile.sys`.
 * @throws {Win32Error} when the registry can't be read
 */
export function pageFiles(win32: Pick<Win32, 'registryValue'>): string[] {
  const value = win32.registryValue(MEMORY_MANAGEMENT, 'ExistingPageFiles')
  return value ? decodeStrings(value).map((path) => path.replace(/^\\\?\?\\/, '')) : []
}

/** The strings of a REG_MULTI_SZ: UTF-16LE, each ended by a 0, all of them by another one. */
function decodeStrings(value: Bytes): string[] {
  return asBuffer(value)
    .toString('utf16le')
    .split('\0')
    .filter((text) => text !== '')
}
