import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { type ForwardReader, openForwardReader, readName, TruncatedError } from './forward-reader.js'
import type { Block } from './machines.js'
import { createPageTable, type PageTable } from './page-table.js'
import { createRamReader } from './ram-section.js'

/*
 * Stream of a migration (migration/savevm.c), big-endian: "QEVM", u32 3, sections. Each begins with a byte:
 *
 *   00  the end
 *   01  START, 04 FULL: u32 id, u8 length, name, u32 instance, u32 version, data
 *   02  PART,  03 END:  u32 id, data
 *   05  a part of what came before: u8 length, name, u32 version, data
 *   07  configuration: u32 length, name of the machine, parts of it
 *   08  command: u16 command, u16 length, data
 *   7e  footer: u32 id
 *
 * How long the data of a device is tells only the device; those of memory tell it themselves, and come first.
 */
const MAGIC = 'QEVM'
const VERSION = 3
const HEADER_SIZE = 8
const SECTION = {
  EOF: 0x00,
  START: 0x01,
  PART: 0x02,
  END: 0x03,
  FULL: 0x04,
  SUBSECTION: 0x05,
  CONFIGURATION: 0x07,
  COMMAND: 0x08,
  FOOTER: 0x7e,
} as const
const RAM_VERSION = 4
const LONGEST_NAME = 4096
const MOST_CAPABILITIES = 256
const UUID_SIZE = 16
/** Commands that say nothing about memory: OPEN_RETURN_PATH, PING. */
const HARMLESS = [1, 2]

/** With these, memory is elsewhere or otherwise in the file. */
const NOT_READ = ['multifd', 'mapped-ram', 'x-ignore-shared', 'fixed-ram']
const PAGE_BITS = { usual: 12, least: 10, most: 16 }

/** Whether a stream begins here. */
const isStream = (head: Buffer): boolean => head.toString('latin1', 0, MAGIC.length) === MAGIC

export interface SavedMemory {
  /** The name of the machine, where it is told. */
  readonly machine: string | undefined
  readonly pageSize: number
  readonly pages: PageTable
  /** Where the memory ends in the file, and what is left of the stream begins. */
  readonly end: number
  /** Why not all of the memory was found. */
  readonly incomplete: string | undefined
}

/**
 * Reads a stream up to the end of its memory, and notes where the pages stand.
 * @param start where in the file it begins
 * @param announce told of the machine and its blocks; gives the numbers of the first pages of those that are wanted
 * @throws {FormatError} where no memory is announced
 */
export async function readStream(
  source: ByteSource,
  start: number,
  announce: (
    machine: string | undefined,
    blocks: readonly Block[],
    pageSize: number,
  ) => ReadonlyMap<string, number>,
): Promise<SavedMemory> {
  const reader = openForwardReader(source, start)
  await reader.need(HEADER_SIZE)
  const magic = reader.bytes(MAGIC.length)
  const version = reader.u32()
  if (!isStream(magic)) throw new FormatError('no stream of QEMU', BigInt(start))
  if (version !== VERSION)
    throw new FormatError(`a stream of version ${version}; ${VERSION} is known`, BigInt(start + MAGIC.length))
  await reader.need(1)
  const { machine, pageBits = PAGE_BITS.usual } = (await readConfiguration(reader)) ?? {}
  const pageSize = 2 ** pageBits
  const pages = createPageTable(Number(source.size))
  let announced = false
  const readRam = createRamReader({
    pageSize,
    pages,
    announce(blocks) {
      if (announced) throw new FormatError('memory that is announced twice', BigInt(reader.position))
      const wanted = announce(machine, blocks, pageSize)
      announced = true
      return wanted
    },
  })
  let incomplete: string | undefined
  try {
    incomplete = await readSections(reader, readRam)
  } catch (error) {
    if (!announced || !(error instanceof FormatError)) throw error
    incomplete = error instanceof TruncatedError ? `its end is missing: ${error.message}` : error.message
  }
  if (!announced) throw new FormatError('a stream without memory', BigInt(reader.position))
  return { machine, pageSize, pages, end: reader.position, incomplete }
}

interface Configuration {
  readonly machine: string
  readonly pageBits?: number
}

/** Undefined where there is none: streams of old machines have none. */
async function readConfiguration(reader: ForwardReader): Promise<Configuration | undefined> {
  const at = reader.position
  if ((await peek(reader)) !== SECTION.CONFIGURATION) return undefined
  reader.skip(1)
  await reader.need(4)
  const length = reader.u32()
  if (length > LONGEST_NAME) throw new FormatError(`a name of ${length} bytes`, BigInt(at))
  await reader.need(length)
  let configuration: Configuration = { machine: reader.bytes(length).toString('utf8') }
  while ((await peek(reader)) === SECTION.SUBSECTION) {
    const begin = BigInt(reader.position)
    reader.skip(1)
    const name = await readName(reader)
    await reader.need(8)
    reader.skip(4)
    if (name === 'configuration/target-page-bits') {
      const pageBits = reader.u32()
      if (pageBits < PAGE_BITS.least || pageBits > PAGE_BITS.most)
        throw new FormatError(`pages of 2^${pageBits} bytes`, begin)
      configuration = { ...configuration, pageBits }
    } else if (name === 'configuration/capabilities') await refuseCapabilities(reader, begin)
    else if (name === 'configuration/uuid') reader.skip(UUID_SIZE)
    else throw new FormatError(`a part ${name} of the configuration, which is not known`, begin)
  }
  return configuration
}

async function refuseCapabilities(reader: ForwardReader, at: bigint): Promise<void> {
  const count = reader.u32()
  if (count > MOST_CAPABILITIES) throw new FormatError(`${count} capabilities`, at)
  for (let i = 0; i < count; i++) {
    const name = await readName(reader)
    if (NOT_READ.includes(name)) throw new FormatError(`a stream with ${name}, which is not read`, at)
  }
}

/** @returns why it stopped before the end of the memory */
async function readSections(
  reader: ForwardReader,
  readRam: (reader: ForwardReader) => Promise<void>,
): Promise<string | undefined> {
  let ram: number | undefined
  for (;;) {
    const at = reader.position
    await reader.need(1)
    const type = reader.u8()
    const refuse = (what: string) => {
      throw new FormatError(`${what} before the end of the memory`, BigInt(at))
    }
    switch (type) {
      case SECTION.START:
      case SECTION.FULL: {
        await reader.need(4)
        const id = reader.u32()
        const name = await readName(reader)
        await reader.need(8)
        reader.skip(4)
        const version = reader.u32()
        if (name !== 'ram' || type === SECTION.FULL) return refuse(`a section ${name}, which is not read,`)
        if (version !== RAM_VERSION) return refuse(`memory of version ${version}`)
        ram = id
        await readRam(reader)
        break
      }
      case SECTION.PART:
      case SECTION.END:
        await reader.need(4)
        if (reader.u32() !== ram) return refuse('a section that is not read')
        await readRam(reader)
        if (type === SECTION.END) return undefined
        break
      case SECTION.FOOTER:
        await reader.need(4)
        reader.skip(4)
        break
      case SECTION.COMMAND: {
        await reader.need(4)
        const command = reader.u16()
        if (!HARMLESS.includes(command))
          return refuse(`command ${command}, as of a migration that goes on in the guest (postcopy),`)
        reader.skip(reader.u16())
        break
      }
      case SECTION.EOF:
        return refuse('the end of the stream')
      default:
        return refuse(`a section of type 0x${type.toString(16)}`)
    }
  }
}

async function peek(reader: ForwardReader): Promise<number> {
  await reader.need(1)
  return reader.peek()
}
