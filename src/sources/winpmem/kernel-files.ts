import fs from 'node:fs'
import path from 'node:path'

/** Where a 64-bit Windows shows its own System32 to 32-bit programs. */
const OF_32_BIT = 'SysNative'

/**
 * The kernel and the drivers: an analyst finds symbols in them, and what was changed in memory.
 * @param root the folder of Windows
 * @returns paths of those that are there
 */
export function kernelFiles(root = process.env.SystemRoot ?? 'C:\\Windows'): string[] {
  const native = path.join(root, OF_32_BIT)
  const system = fs.existsSync(native) ? native : path.join(root, 'System32')
  const drivers = path.join(system, 'drivers')
  return [
    path.join(system, 'ntoskrnl.exe'),
    ...namesIn(drivers)
      .filter((name) => /\.sys$/i.test(name))
      .map((name) => path.join(drivers, name)),
  ]
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder).sort()
  } catch {
    // The kernel, which is missed by itself, is told of.
    return []
  }
}
