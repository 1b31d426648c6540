import { EXIT, type ExitCode, ToolError } from '../../cli/exit.js'
import type { Log } from '../../cli/messages.js'
import { DRIVER_SERVICE, unloadDriver } from '../../platform/windows/driver-service.js'
import type { Win32 } from '../../platform/windows/win32.js'
import { openDriver } from './driver.js'
import { asRefusal } from './refusal.js'

/**
 * Loads the driver for those who come later.
 * @throws {ToolError} naming the cause of a refusal and the next step
 */
export async function leaveLoaded(win32: Win32, given: string | undefined, log: Log): Promise<ExitCode> {
  const driver = await openDriver(win32, given, log)
  driver.leave()
  if (driver.loaded) log.info(`${driver.loaded.name}: loaded; --unload unloads it`)
  return EXIT.complete
}

/**
 * Unloads the driver that was left loaded.
 * @throws {ToolError} when it is none of ours, or Windows refuses
 */
export function removeLoaded(win32: Win32, log: Log): ExitCode {
  const outcome = unload(win32)
  if (outcome === 'not ours')
    throw new ToolError(
      EXIT.unavailable,
      `service ${DRIVER_SERVICE}: pmem has not made it, and leaves it alone`,
      {
        hint: `sc.exe qc ${DRIVER_SERVICE} shows it, sc.exe stop ${DRIVER_SERVICE} unloads its driver`,
      },
    )
  log.info(outcome === 'unloaded' ? 'the driver is unloaded' : 'no driver was left loaded')
  return EXIT.complete
}

function unload(win32: Win32): ReturnType<typeof unloadDriver> {
  try {
    return unloadDriver(win32)
  } catch (error) {
    throw asRefusal('the driver could not be unloaded', error)
  }
}
