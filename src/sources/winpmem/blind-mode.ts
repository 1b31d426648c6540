import type { Run } from '../../formats/address-space.js'
import { type Handle, type Win32, Win32Error } from '../../platform/windows/win32.js'
import type { Method } from '../../platform/windows/winpmem-codes.js'
import { setMode } from '../../platform/windows/winpmem-device.js'
import { PAGE_SIZE } from '../../platform/windows/winpmem-info.js'

/** So many pages, evenly spread, fail together only where every page fails. */
const SAMPLES = 16n

/** Whether anything can be read in the mode that is set: a driver may offer one that does not work on this machine. */
export async function readsAnything(win32: Win32, device: Handle, ram: readonly Run[]): Promise<boolean> {
  const page = Buffer.alloc(PAGE_SIZE)
  for (const address of samplesOf(ram))
    try {
      if ((await win32.read(device, address, page)) > 0) return true
    } catch (error) {
      if (!(error instanceof Win32Error)) throw error
    }
  return false
}

function* samplesOf(ram: readonly Run[]): Generator<bigint> {
  const pages = ram.reduce((sum, { length }) => sum + length, 0n) / BigInt(PAGE_SIZE)
  for (let sample = 0n; sample < SAMPLES; sample++) {
    let left = ((2n * sample + 1n) * pages) / (2n * SAMPLES)
    for (const { start, length } of ram) {
      const here = length / BigInt(PAGE_SIZE)
      if (left < here) {
        yield start + left * BigInt(PAGE_SIZE)
        break
      }
      left -= here
    }
  }
}

/** Sets the mode anew, which drivers up to 2.0.1 let be done. */
export function takesPhysical(win32: Win32, device: Handle, method: Method): boolean {
  try {
    return setMode(win32, device, { method, wanted: 'physical', fresh: true }) !== undefined
  } catch (error) {
    if (error instanceof Win32Error) return false
    throw error
  }
}
