import fs from 'node:fs'
import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import type { Bytes } from '../../formats/byte-source.js'
import { openFileSource } from '../../formats/file-source.js'
import type { WindowsKind } from '../../platform/windows/this-windows.js'

/** Drivers are of some ten kilobytes. */
const MOST_DRIVER = 16n << 20n

/** A driver that can be loaded. */
export interface DriverFile {
  /** As the user knows it. */
  readonly name: string
  readonly image: Bytes
}

/** As c-aff4 and go-winpmem have called them. */
const ATTESTATION_SIGNED = ['att_winpmem_64.sys']
const CROSS_SIGNED_X64 = ['winpmem_x64.sys', 'winpmem_64.sys']
const CROSS_SIGNED_X86 = ['winpmem_x86.sys', 'winpmem_32.sys']
const UNSAID = ['winpmem.sys']

/** Names of the drivers that may load, the likeliest first. */
export function driverNames({ processor, major }: WindowsKind): readonly string[] {
  if (processor === 'ia32') return [...CROSS_SIGNED_X86, ...UNSAID]
  if (processor !== 'x64') return UNSAID
  return [...(major >= 10 ? ATTESTATION_SIGNED : []), ...CROSS_SIGNED_X64, ...UNSAID]
}

/** The drivers in a folder that may load, the likeliest first. */
export async function driversIn(folder: string, windows: WindowsKind): Promise<DriverFile[]> {
  const files = driverNames(windows).map((name) => path.join(folder, name))
  return Promise.all(files.filter((file) => isFile(file)).map(readFile))
}

/**
 * A driver as the user names it: a file, or `VOLUME:MEMBER` for one in a ZIP or AFF4 volume, which may be appended
 * to an executable.
 * @throws {ToolError} when a volume has no such member
 * @throws the operating system's error; {FormatError} when a volume is damaged
 */
export function namedDriver(given: string): Promise<DriverFile> {
  if (!isFile(given))
    for (let colon = given.indexOf(':'); colon > 0; colon = given.indexOf(':', colon + 1)) {
      const volume = given.slice(0, colon)
      const member = given.slice(colon + 1)
      if (member !== '' && isFile(volume)) return readMember(volume, member)
    }
  return readFile(given)
}

async function readFile(name: string): Promise<DriverFile> {
  const source = openFileSource(name)
  try {
    if (source.size > MOST_DRIVER) throw tooLarge(name)
    return { name, image: await source.read(0n, Number(source.size)) }
  } finally {
    await source.close()
  }
}

async function readMember(volume: string, name: string): Promise<DriverFile> {
  const { openZip } = await import('../../formats/aff4/zip/reader.js')
  const source = openFileSource(volume)
  try {
    const { members, read } = await openZip(source)
    const member = members.get(name)
    if (!member) {
      const drivers = [...members.keys()].filter((key) => /\.sys$/i.test(key)).slice(0, 10)
      throw new ToolError(EXIT.noInput, `${volume}: no member ${name}`, {
        hint: drivers.length > 0 ? `it has ${drivers.join(', ')}` : 'it has no drivers',
      })
    }
    if (member.size > MOST_DRIVER) throw tooLarge(`${volume}:${name}`)
    return { name: `${volume}:${name}`, image: await read(member, MOST_DRIVER) }
  } finally {
    await source.close()
  }
}

const tooLarge = (name: string) => new ToolError(EXIT.data, `${name}: too large for a driver`)

const isFile = (file: string): boolean => fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false
