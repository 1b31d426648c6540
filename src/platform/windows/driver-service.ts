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
  const steps: Step[] = []
  const unload = () => takeBack(steps)
  try {
    const folder = fs.mkdtempSync(path.join(tmpdir(), FOLDER))
    const removeFolder = () => fs.rmSync(folder, { recursive: true, force: true })
    steps.push(removeFolder)
    const file = path.join(folder, 'winpmem.sys')
    writeFile(file, image)

    removeLeftover(win32)
    win32.createDriver(DRIVER_SERVICE, file)
    steps.push(() => win32.deleteService(DRIVER_SERVICE))
    win32.startService(DRIVER_SERVICE)
    steps.push(() => stopDriver(win32))
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

type Step = () => void

/**
 * Takes steps back, the last one first, each whatever comes of the others.
 * @returns what went wrong
 */
function takeBack(steps: Step[]): unknown[] {
  const problems: unknown[] = []
  for (let undo = steps.pop(); undo; undo = steps.pop())
    try {
      undo()
    } catch (error) {
      if (!isDone(error)) problems.push(error)
    }
  return problems
}

/** @throws the operating system's error, which names the file also where that is full */
function writeFile(file: string, content: Bytes): void {
  try {
    // Where everyone may make files, as below the system's TEMP, nobody's own is to be loaded.
    fs.writeFileSync(file, content, { flag: 'wx' })
  } catch (error) {
    throw Object.assign(error as Error, { path: file })
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

/** Deletes the service also where its driver is in use: both are gone once it no longer is. */
function removeService(win32: Win32): void {
  const problems = takeBack([() => win32.deleteService(DRIVER_SERVICE), () => stopDriver(win32)])
  if (problems.length > 0) throw problems[0]
}

/** How long a driver may take to unload. */
const PATIENCE_MS = 500
const PAUSE_MS = 50

/** @throws {Win32Error} also when the driver stays loaded because another program has its device open */
function stopDriver(win32: Win32): void {
  win32.stopService(DRIVER_SERVICE)
  for (let waited = 0; win32.serviceState(DRIVER_SERVICE) === 'stopping'; waited += PAUSE_MS) {
    // As Windows itself refuses who asks for it again.
    if (waited >= PATIENCE_MS)
      throw new Win32Error('ControlService', WIN32_ERROR.SERVICE_CANNOT_ACCEPT_CTRL, DRIVER_SERVICE)
    pause(PAUSE_MS)
  }
}

/** Holds the whole process: a process that exits waits for no promise. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
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
