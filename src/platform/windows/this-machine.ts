import { openDevices } from './devices.js'
import { loadLibraries } from './libraries.js'
import { openRegistry } from './registry.js'
import { openServices } from './services.js'
import type { Win32 } from './win32.js'

/**
 * Windows itself, through koffi.
 * @throws {ToolError} where koffi is not installed, or this is no Windows
 */
export function win32ForThisMachine(): Win32 {
  const libraries = loadLibraries()
  const registry = openRegistry(libraries)
  return {
    ...openDevices(libraries),
    ...openServices(libraries),
    ...registry,
    serviceFile(service) {
      const path = registry.registryValue(`SYSTEM\\CurrentControlSet\\Services\\${service}`, 'ImagePath')
      return path?.toString('utf16le').replace(/\0+$/, '')
    },
  }
}
