import { reasonOf } from '../../cli/failure.js'
import type { Run } from '../../formats/address-space.js'
import { FormatError } from '../../formats/format-error.js'
import { formatAddress } from '../../frames/address.js'
import {
  decodePhysicalMemory,
  PHYSICAL_MEMORY_KEY,
  PHYSICAL_MEMORY_VALUE,
} from '../../platform/windows/resource-map.js'
import type { Handle, Win32 } from '../../platform/windows/win32.js'
import { type AcquisitionMode, type Method, WINPMEM_DEVICE } from '../../platform/windows/winpmem-codes.js'
import { introduce, setMode } from '../../platform/windows/winpmem-device.js'
import { END_OF_ADDRESSES, type WinpmemInfo } from '../../platform/windows/winpmem-info.js'
import { readsAnything, takesPhysical } from './blind-mode.js'
import type { OpenDriver } from './driver.js'
import { asRefusal } from './refusal.js'

/** What is going to be read and how, settled before the first frame. */
export interface Plan {
  readonly method: Method
  /** Undefined where it was set before us. */
  readonly mode: AcquisitionMode | undefined
  /** Undefined where the driver tells nothing. */
  readonly info: WinpmemInfo | undefined
  /** Ascending. */
  readonly ram: readonly Run[]
  readonly rangesFrom: 'driver' | 'registry'
  /** Which way was chosen. */
  readonly choice: string
  /** What an analyst must know about it. */
  readonly warnings: readonly string[]
}

export const GENERATIONS: Readonly<Record<Method, string>> = {
  buffered: 'WinPmem 1.x',
  neither: 'WinPmem 2.0 or later',
}

/**
 * Asks the driver and sets its mode.
 * @param wanted the only mode to try
 * @throws {ToolError} naming the cause of a refusal and the next step
 */
export async function planAcquisition(
  win32: Win32,
  { device, loaded }: Pick<OpenDriver, 'device' | 'loaded'>,
  wanted: AcquisitionMode | undefined,
): Promise<Plan> {
  const { method, info } = refusing('it tells nothing of the memory', () => introduce(win32, device))
  const set = refusing(wanted ? `mode ${wanted}` : 'modes pte and physical', () =>
    setMode(win32, device, { method, wanted, fresh: loaded !== undefined }),
  )
  const listed = info?.runs
  const ram = listed ?? refusing('resource map', () => registryRanges(win32))
  const blind = set === 'pte' && !wanted && !(await readsAnything(win32, device, ram))
  const mode = blind && takesPhysical(win32, device, method) ? 'physical' : set
  const rangesFrom = listed ? 'driver' : 'registry'
  return {
    method,
    mode,
    info,
    ram,
    rangesFrom,
    choice: `${WINPMEM_DEVICE}: ${GENERATIONS[method]}, mode ${mode ?? 'unknown'}, ranges from the ${rangesFrom}`,
    warnings: [
      ...(mode === undefined
        ? [`the mode was set before, and is not known${wanted ? `: ${wanted} was not set` : ''}`]
        : []),
      ...(mode === set ? [] : ['mode pte reads nothing on this machine: physical is used']),
      ...(listed ? [] : ['the driver does not list all ranges of RAM: they are those of the registry']),
      ...(mode === 'physical' && method === 'buffered'
        ? ['this driver gives zeros for pages that it can not map']
        : []),
    ],
  }
}

/** Memory that was plugged in or taken away while it was read. */
export function rangesChange(win32: Win32, device: Handle, { ram, rangesFrom }: Plan): string[] {
  try {
    const now = rangesFrom === 'driver' ? introduce(win32, device).info?.runs : registryRanges(win32)
    if (now && showRanges(now) === showRanges(ram)) return []
    return [`RAM changed while it was read: it is now ${now ? showRanges(now) : 'no longer told'}`]
  } catch (error) {
    return [`the ranges of RAM can't be asked again: ${reasonOf(error)}`]
  }
}

const showRanges = (runs: readonly Run[]): string =>
  runs.map(({ start, length }) => `${formatAddress(start)}-${formatAddress(start + length)}`).join(' ')

function registryRanges(win32: Win32): Run[] {
  const value = win32.registryValue(PHYSICAL_MEMORY_KEY, PHYSICAL_MEMORY_VALUE)
  if (!value) throw new FormatError(`HKLM\\${PHYSICAL_MEMORY_KEY}: no ranges of memory`)
  const runs = decodePhysicalMemory(value)
  const { start, length } = runs.at(-1)!
  if (start + length > END_OF_ADDRESSES) throw new FormatError('ranges that no driver can read', start)
  return runs
}

function refusing<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asRefusal(`${WINPMEM_DEVICE}: ${what}`, error)
  }
}
