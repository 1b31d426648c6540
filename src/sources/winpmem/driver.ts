import { createHash } from 'node:crypto'
import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import { type Driver, loadDriver } from '../../platform/windows/driver-service.js'
import { thisWindows } from '../../platform/windows/this-windows.js'
import { type Handle, WIN32_ERROR, type Win32, Win32Error } from '../../platform/windows/win32.js'
import { WINPMEM_DEVICE } from '../../platform/windows/winpmem-codes.js'
import { type DriverFile, driversIn, namedDriver } from './driver-file.js'
import { asRefusal } from './refusal.js'

/** The driver that memory is read through. */
export interface OpenDriver {
  readonly device: Handle
  /** What was loaded; undefined where a driver was there before. */
  readonly loaded: { readonly name: string; readonly sha256: string } | undefined
  /** Leaves things as they were before. To be called once more does nothing. */
  close(): void
  /** Lets go of the device, but keeps its driver loaded. */
  leave(): void
}

/**
 * Opens the driver that is loaded; where there is none, loads one for as long as it is open.
 * @param given by the user; else one is looked for beside the tool
 * @throws {ToolError} naming the cause of a refusal and the next step
 */
export async function openDriver(win32: Win32, given: string | undefined, log: Log): Promise<OpenDriver> {
  const device = openLoaded(win32)
  if (device !== undefined) return borrowed(win32, device, given, log)
  const files = await candidates(given)
  try {
    return loadFirst(win32, files, log)
  } catch (error) {
    // Two that start at once get in each other's way, and one of them has loaded it.
    const other = openLoaded(win32)
    if (other === undefined) throw error
    return borrowed(win32, other, given, log)
  }
}

/** The driver of somebody else. */
function borrowed(win32: Win32, device: Handle, given: string | undefined, log: Log): OpenDriver {
  if (given !== undefined) log.warn(`${given}: not loaded: there is a driver already, which is used`)
  else log.verbose(`${WINPMEM_DEVICE}: the driver is loaded already, and stays so`)
  let open: Handle | undefined = device
  function close(): void {
    if (open !== undefined) win32.closeHandle(open)
    open = undefined
  }
  return { device, loaded: undefined, close, leave: close }
}

function openLoaded(win32: Win32): Handle | undefined {
  try {
    return win32.openDevice(WINPMEM_DEVICE, 'read-write')
  } catch (error) {
    if (error instanceof Win32Error && error.errno === WIN32_ERROR.FILE_NOT_FOUND) return undefined
    throw asRefusal(WINPMEM_DEVICE, error)
  }
}

async function candidates(given: string | undefined): Promise<DriverFile[]> {
  if (given !== undefined) return [await namedDriver(given)]
  const folder = path.dirname(process.argv[1] ?? process.execPath)
  const found = await driversIn(folder, thisWindows())
  if (found.length > 0) return found
  throw new ToolError(EXIT.unavailable, `no WinPmem driver is loaded, and none is in ${folder}`, {
    hint: '--driver FILE loads one; pmem-read-winpmem(1) says where they are to be had',
  })
}

/** Loads the first of several that Windows takes. */
function loadFirst(win32: Win32, files: readonly DriverFile[], log: Log): OpenDriver {
  let refusal: unknown
  for (const { name, image } of files)
    try {
      const driver = loadDriver(win32, image)
      log.verbose(`${name}: loaded`)
      return closing(driver, { name, sha256: createHash('sha256').update(image).digest('hex') }, log)
    } catch (error) {
      refusal = asRefusal(name, error)
      if (!isRefusedFile(error)) break
      if (refusal instanceof ToolError) log.verbose(refusal.message)
    }
  throw refusal
}

/** Another file may do. */
const isRefusedFile = (error: unknown) => error instanceof Win32Error && error.syscall === 'StartServiceW'

function closing(driver: Driver, loaded: OpenDriver['loaded'], log: Log): OpenDriver {
  function close(): void {
    process.off('exit', close)
    for (const problem of driver.unload()) {
      const refusal = asRefusal('the driver', problem)
      const hint = refusal instanceof ToolError ? refusal.hint : undefined
      log.warn(
        `the driver could not be unloaded: ${reasonOf(refusal)}`,
        hint ?? 'pmem-read-winpmem --unload tries it again',
      )
    }
  }
  // A defect ends the process without the finally of anyone.
  process.on('exit', close)
  return {
    device: driver.device,
    loaded,
    close,
    leave() {
      driver.leave()
      close()
    },
  }
}
