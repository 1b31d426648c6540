import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Bytes } from '../../formats/byte-source.js'
import { type Handle, WIN32_ERROR, type Win32, Win32Error } from './win32.js'
import { WINPMEM_DEVICE } from './winpmem-codes.js'

/** The name under which the driver is known to Windows while we have it loaded. */
export const DRIVER_SERVICE = 'winpmem'

/** By their place we know our services again. */
const FOLDER = 'pmem-driver-'
const OURS = /[\\/]pmem-driver-[^\\/]+[\\/]winpmem\.sys$/i

/** A driver that this process has loaded. */
export interface Driver {
  /** Open for reading and control. */
  readonly device: Handle
  /**
   * Closes the device, stops and deletes the service, deletes the file. To be called once more does nothing.
   * @returns what went wrong; all the rest is done all the same
   */
  unload(): readonly unknown[]
  /** Closes the device, but keeps the driver loaded: unloadDriver is for later. */
  leave(): void
}

/**
 * Loads a driver from a file of its own, which is deleted as soon as the device is open. Nothing is left behind
 * where it fails.
 * @param image content of the .sys file
 * @throws {Win32Error} when Windows or the driver refuses
 */
export function loadDriver(win32: Win32, image: Bytes): Driver {
  const steps: (() => void)[] = []
  function unload(): unknown[] {
    const problems: unknown[] = []
    for (let undo = steps.pop(); undo; undo = steps.pop())
      try {
        undo()
      } catch (error) {
        if (!isDone(error)) problems.push(error)
      }
    return problems
  }
  try {
    const folder = fs.mkdtempSync(path.join(tmpdir(), FOLDER))
    const removeFolder = () => fs.rmSync(folder, { recursive: true, force: true })
    steps.push(removeFolder)
    const file = path.join(folder, 'winpmem.sys')
    // Where everyone may make files, as below the system's TEMP, nobody's own is to be loaded.
    fs.writeFileSync(file, image, { flag: 'wx' })

    removeLeftover(win32)
    win32.createDriver(DRIVER_SERVICE, file)
    steps.push(() => win32.deleteService(DRIVER_SERVICE))
    win32.startService(DRIVER_SERVICE)
    steps.push(() => win32.stopService(DRIVER_SERVICE))
    const device = win32.openDevice(WINPMEM_DEVICE, 'read-write')
    steps.push(() => win32.closeHandle(device))
    try {
      removeFolder()
    } catch {
      // Windows may hold it as long as the driver is loaded.
    }
    return {
      device,
      unload,
      leave() {
        steps.length = 0
        win32.closeHandle(device)
      },
    }
  } catch (error) {
    unload()
    throw error
  }
}

/** The service of a run that could not clean up: else its name would be taken. */
function removeLeftover(win32: Win32): void {
  const file = win32.serviceFile(DRIVER_SERVICE)
  if (file === undefined || !isOurs(file)) return
  removeService(win32)
  try {
    removeFile(file)
  } catch {
    // It is in nobody's way.
  }
}

/**
 * Unloads the driver that an earlier run has left loaded. A service that we did not make is left alone.
 * @throws {Win32Error} when Windows refuses, or the operating system's error when the file can't be deleted
 */
export function unloadDriver(win32: Win32): 'unloaded' | 'not loaded' | 'not ours' {
  const file = win32.serviceFile(DRIVER_SERVICE)
  if (file === undefined) return 'not loaded'
  if (!isOurs(file)) return 'not ours'
  removeService(win32)
  removeFile(file)
  return 'unloaded'
}

function removeService(win32: Win32): void {
  if (win32.serviceState(DRIVER_SERVICE) !== 'stopped') win32.stopService(DRIVER_SERVICE)
  win32.deleteService(DRIVER_SERVICE)
}

const isOurs = (file: string): boolean => OURS.test(file)

/** Windows may have kept it from being deleted while the driver was loaded. */
function removeFile(serviceFile: string): void {
  const file = serviceFile.replace(/^\\\?\?\\/, '')
  const folder = file.replace(/[\\/][^\\/]*$/, '')
  if (!fs.existsSync(folder)) return
  fs.rmSync(file, { force: true })
  fs.rmdirSync(folder)
}

/** Somebody else has done it by then. */
const isDone = (error: unknown): boolean =>
  error instanceof Win32Error &&
  [
    WIN32_ERROR.SERVICE_DOES_NOT_EXIST,
    WIN32_ERROR.SERVICE_NOT_ACTIVE,
    WIN32_ERROR.SERVICE_MARKED_FOR_DELETE,
  ].some((errno) => errno === error.errno)
