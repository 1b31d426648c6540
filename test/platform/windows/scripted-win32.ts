import fs from 'node:fs'
import type { Run } from '../../../src/formats/address-space.js'
import {
  WIN32_ERROR as E,
  type ServiceState,
  type Win32,
  Win32Error,
} from '../../../src/platform/windows/win32.js'

/*
 * A Windows with a WinPmem driver, both made up. Memory holds at each word of 8 bytes its own address. Everything about
 * the driver is written from its documentation, not by our decoder.
 */

export type Generation = '1.6' | '2.0.1' | '2.0.1 x86' | '3.0' | '4.1'
export const GENERATIONS: readonly Generation[] = ['1.6', '2.0.1', '2.0.1 x86', '3.0', '4.1']

export interface Script {
  readonly generation?: Generation
  readonly ranges: readonly Run[]
  /** What the ranges are once memory is being read. */
  readonly rangesLater?: readonly Run[]
  /** Pages that cannot be read. */
  readonly bad?: readonly bigint[]
  /** Modes by which nothing can be read. */
  readonly blind?: readonly number[]
  /** Modes that it does not have. */
  readonly lacks?: readonly number[]
  /** The error for a mode that it does not have. */
  readonly lackError?: number
  /** Another program has set a mode. */
  readonly modeSet?: boolean
  /** How many ranges its info has room for, and what it does with more: tell so many, tell 0, or fail. */
  readonly room?: { readonly runs: number; readonly beyond: 'count' | 'zero' | 'fail' }
  /** The driver is loaded before. */
  readonly loaded?: boolean
  /** Another program has the device open as soon as its driver is loaded. */
  readonly held?: boolean
  /** A service of the name that is there before, and the file it was made of. */
  readonly service?: { readonly file: string; readonly state: ServiceState }
  /** Calls that Windows refuses, with the error. */
  readonly refuse?: Readonly<Record<string, number>>
  /** The so-many-th call is refused. */
  readonly refuseCall?: { readonly index: number; readonly errno: number }
  /** The so-many-th question about a service or the registry is refused. */
  readonly refuseQuery?: { readonly index: number; readonly errno: number }
  /** From the so-many-th read on the driver is gone. */
  readonly goneAfter?: { readonly reads: number; readonly errno: number }
  /** The resource map in the registry. */
  readonly resources?: Buffer
  /** Reads memory, in place of each word's own address; throws what Windows would refuse with. */
  readonly memory?: (address: bigint, into: Uint8Array) => number
  /** Told of each call but reads. */
  readonly onCall?: (call: string) => void
}

export interface Scripted extends Win32 {
  /** What was called, in order, without reads. */
  readonly calls: string[]
  readonly reads: { readonly address: bigint; readonly length: number }[]
  /** The mode that the driver reads by. */
  mode: number | undefined
  /** Content of the file that was loaded, as it stood there at the start. */
  image: Buffer | undefined
  /** Handles that are open, service and driver that are there. */
  left(): { handles: number; service: string | undefined; loaded: boolean }
}

const METHOD: Record<Generation, number> = { '1.6': 0, '2.0.1': 3, '2.0.1 x86': 3, '3.0': 3, '4.1': 3 }
const KPCRS: Record<Generation, number> = { '1.6': 32, '2.0.1': 64, '2.0.1 x86': 32, '3.0': 64, '4.1': 64 }
/** Its info is always that long; undefined: as long as it has to be. */
const ROOM: Record<Generation, number | undefined> = {
  '1.6': undefined,
  '2.0.1': 20,
  '2.0.1 x86': 20,
  '3.0': 20,
  '4.1': 300,
}

export const KPCR_ADDRESSES = [0xfffff8030e4a1000n, 0xffff9a0112340000n]

/** GET_INFO's answer, field by field. */
export function infoAnswer(
  generation: Generation,
  ranges: readonly Run[],
  count = ranges.length,
  room = ROOM[generation] ?? ranges.length + 1,
): Buffer {
  const words = [0x1ad002n, 0xf0004a61n, 0xfffff80312c00000n, 0n]
  for (let index = 0; index < KPCRS[generation]; index++) words.push(KPCR_ADDRESSES[index] ?? 0n)
  words.push(0xffffde0000000000n, 0n, 0n, 0xfffff803138f8a10n)
  for (let index = 0; index < 0xfe; index++) words.push(0n)
  words.push(BigInt(count))
  for (let index = 0; index < room; index++)
    words.push(ranges[index]?.start ?? 0n, ranges[index]?.length ?? 0n)
  const answer = Buffer.alloc(words.length * 8)
  for (const [index, word] of words.entries()) answer.writeBigUInt64LE(word, index * 8)
  return answer
}

/** What memory holds. */
export function memoryAt(address: bigint, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, into.length)
  for (let at = 0; at < into.length; at += 8) view.setBigUint64(at, address + BigInt(at), true)
}

export function scriptWin32(script: Script): Scripted {
  const { generation = '2.0.1', ranges, bad = [], lacks = [], refuse = {} } = script
  const calls: string[] = []
  const reads: Scripted['reads'] = []
  const handles = new Set<number>()
  let service = script.service && { ...script.service }
  let loaded = script.loaded ?? false
  let deleted = false
  let modeSet = script.modeSet ?? false
  let next = 0x40
  let queries = 0

  function note(text: string): void {
    calls.push(text)
    script.onCall?.(text)
  }

  function call(syscall: string, subject: string): void {
    note(`${syscall} ${subject}`)
    const nth = script.refuseCall?.index === calls.length - 1 ? script.refuseCall.errno : undefined
    const errno = nth ?? refuse[`${syscall} ${subject}`] ?? refuse[syscall]
    if (errno !== undefined) throw new Win32Error(syscall, errno, subject)
  }
  function query(syscall: string, subject: string): void {
    const { index, errno } = script.refuseQuery ?? {}
    if (errno !== undefined && queries++ === index) throw new Win32Error(syscall, errno, subject)
  }
  const fail = (syscall: string, errno: number, subject = '\\\\.\\pmem'): never => {
    throw new Win32Error(syscall, errno, subject)
  }
  const settle = () => {
    if (service?.state === 'stopping' && handles.size === 0 && !script.held) service.state = 'stopped'
    if (service?.state === 'stopped') {
      if (!script.loaded) loaded = false
      if (deleted) service = undefined
    }
  }

  function getInfo(room: number): Buffer {
    const fits = script.room
    if (fits && ranges.length > fits.runs) {
      if (fits.beyond === 'fail') fail('DeviceIoControl', E.BAD_LENGTH)
      return infoAnswer(generation, ranges, fits.beyond === 'zero' ? 0 : ranges.length, fits.runs)
    }
    const answer = infoAnswer(generation, (reads.length > 0 && script.rangesLater) || ranges)
    return answer.length <= room ? answer : fail('DeviceIoControl', E.BAD_LENGTH)
  }

  function setMode(input: Uint8Array | undefined): Buffer {
    const mode = input?.[0] ?? 99
    if (modeSet && (generation === '3.0' || generation === '4.1')) fail('DeviceIoControl', E.ACCESS_DENIED)
    if (lacks.includes(mode)) fail('DeviceIoControl', script.lackError ?? E.INVALID_PARAMETER)
    if (input?.length !== 4 || mode > 2) fail('DeviceIoControl', E.INVALID_PARAMETER)
    scripted.mode = mode
    modeSet = true
    return Buffer.alloc(0)
  }

  const scripted: Scripted = {
    calls,
    reads,
    mode: undefined,
    image: undefined,
    left: () => ({ handles: handles.size, service: service?.file, loaded }),
    openDevice(path, access) {
      call('CreateFileW', path)
      if (access !== 'read-write') fail('CreateFileW', E.ACCESS_DENIED, path)
      if (!loaded) fail('CreateFileW', E.FILE_NOT_FOUND, path)
      handles.add(++next)
      return next
    },
    closeHandle(handle) {
      note('CloseHandle')
      if (!handles.delete(Number(handle))) fail('CloseHandle', E.INVALID_HANDLE)
      settle()
    },
    control(handle, code, input, room) {
      call('DeviceIoControl', code.toString(16))
      if (!handles.has(Number(handle))) fail('DeviceIoControl', E.INVALID_HANDLE)
      const base = 0x22c000 + METHOD[generation]
      if (code === base + 0x40c) return getInfo(room)
      if (code === base + 0x404) return setMode(input)
      return fail('DeviceIoControl', E.INVALID_PARAMETER)
    },
    async read(handle, offset, into) {
      const { goneAfter } = script
      if (goneAfter && reads.length >= goneAfter.reads) fail('NtReadFile', goneAfter.errno)
      reads.push({ address: offset, length: into.length })
      if (!handles.has(Number(handle))) fail('NtReadFile', E.INVALID_HANDLE)
      if (!modeSet && generation !== '1.6') fail('NtReadFile', E.NOT_READY)
      if (offset === 0n) fail('NtReadFile', E.INVALID_PARAMETER)
      if (script.blind?.includes(scripted.mode ?? 0)) fail('NtReadFile', E.IO_DEVICE)
      const end = offset + BigInt(into.length)
      for (let page = offset - (offset % 4096n); page < end; page += 4096n)
        if (
          bad.includes(page) ||
          !ranges.some(({ start, length }) => page >= start && page < start + length)
        ) {
          // Windows leaves behind what it had read by then, or anything else.
          into.fill(0xee)
          fail('NtReadFile', E.IO_DEVICE)
        }
      if (script.memory) return script.memory(offset, into)
      memoryAt(offset, into)
      return into.length
    },
    createDriver(name, file) {
      call('CreateServiceW', name)
      if (service) fail('CreateServiceW', deleted ? E.SERVICE_MARKED_FOR_DELETE : E.SERVICE_EXISTS, name)
      service = { file: `\\??\\${file}`, state: 'stopped' }
      deleted = false
    },
    startService(name) {
      call('StartServiceW', name)
      if (!service) return fail('StartServiceW', E.SERVICE_DOES_NOT_EXIST, name)
      const file = service.file.replace(/^\\\?\?\\/, '')
      if (!fs.existsSync(file)) fail('StartServiceW', E.FILE_NOT_FOUND, name)
      scripted.image = fs.readFileSync(file)
      service.state = 'running'
      loaded = true
    },
    stopService(name) {
      call('ControlService', name)
      if (!service) return fail('OpenServiceW', E.SERVICE_DOES_NOT_EXIST, name)
      if (service.state === 'stopped') fail('ControlService', E.SERVICE_NOT_ACTIVE, name)
      if (service.state === 'stopping') fail('ControlService', E.SERVICE_CANNOT_ACCEPT_CTRL, name)
      service.state = 'stopping'
      settle()
    },
    deleteService(name) {
      call('DeleteService', name)
      if (!service) fail('OpenServiceW', E.SERVICE_DOES_NOT_EXIST, name)
      if (deleted) fail('DeleteService', E.SERVICE_MARKED_FOR_DELETE, name)
      deleted = true
      settle()
    },
    serviceState(name) {
      query('QueryServiceStatus', name)
      return service?.state
    },
    serviceFile(name) {
      query('RegQueryValueExW', name)
      return service?.file
    },
    registryValue(key, name) {
      query('RegQueryValueExW', key)
      return key === 'HARDWARE\\RESOURCEMAP\\System Resources\\Physical Memory' && name === '.Translated'
        ? script.resources
        : undefined
    },
  }
  return scripted
}
