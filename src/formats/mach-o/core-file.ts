import { asDataView } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'

// Mach-O (mach-o/loader.h): mach_header, then load commands, each with its size in bytes.

const MAGIC = { 32: 0xfeedface, 64: 0xfeedfacf } as const
const MH_CORE = 4
const LC = { segment: 1, thread: 4, unixThread: 5, ident: 8, segment64: 0x19, note: 0x31 } as const

const HEADER = { cpuType: 4, fileType: 12, commandCount: 16, commandsSize: 20 } as const
const HEADER_SIZES = { 32: 28, 64: 32 } as const
const COMMAND = { type: 0, size: 4, body: 8 } as const
/** Of segment_command and segment_command_64, behind the name of 16 bytes at 8. */
const SEGMENT = {
  32: { vmaddr: 24, vmsize: 28, fileoff: 32, filesize: 36, end: 56 },
  64: { vmaddr: 24, vmsize: 32, fileoff: 40, filesize: 48, end: 72 },
} as const
const NOTE = { owner: 8, ownerSize: 16, offset: 24, size: 32, end: 40 } as const

const MOST_COMMANDS = 64 << 20
const MOST_TEXT = 64n << 10n

export interface Encoding {
  readonly bits: 32 | 64
  readonly littleEndian: boolean
}

export interface MachSegment {
  readonly vmaddr: bigint
  readonly vmsize: bigint
  readonly fileoff: bigint
  readonly filesize: bigint
}

export interface MachCore {
  readonly encoding: Encoding
  readonly cpuType: number
  readonly segments: readonly MachSegment[]
  /** Registers of this many threads: addresses are then virtual. */
  readonly threads: number
  /** What the kernel calls itself; undefined where it does not tell. */
  readonly kernelVersion: string | undefined
}

/** Class and byte order of a Mach-O core; undefined where a file begins otherwise. */
export function machCoreEncoding(head: Bytes): Encoding | undefined {
  if (head.length < HEADER_SIZES[32]) return undefined
  const view = asDataView(head)
  for (const littleEndian of [true, false])
    for (const bits of [32, 64] as const)
      if (
        view.getUint32(0, littleEndian) === MAGIC[bits] &&
        view.getUint32(HEADER.fileType, littleEndian) === MH_CORE
      )
        return { bits, littleEndian }
  return undefined
}

/**
 * Reads the header and load commands of a core.
 * @throws {FormatError} where it is none, or its load commands are cut off or damaged
 */
export async function readMachCore(source: ByteSource): Promise<MachCore> {
  const head = await source.read(0n, HEADER_SIZES[64])
  const encoding = machCoreEncoding(head)
  if (!encoding) throw new FormatError('not a Mach-O core', 0n)
  const view = asDataView(head)
  const [cpuType, count, size] = [HEADER.cpuType, HEADER.commandCount, HEADER.commandsSize].map((at) =>
    view.getUint32(at, encoding.littleEndian),
  ) as [number, number, number]
  const start = HEADER_SIZES[encoding.bits]
  if (size > MOST_COMMANDS)
    throw new FormatError(`${size} bytes of load commands`, BigInt(HEADER.commandsSize))
  if (BigInt(start + size) > source.size)
    throw new FormatError('load commands past the end of the file', BigInt(start))
  const bytes = Uint8Array.from(await readExactly(source, BigInt(start), size, 'load commands'))
  const segments: MachSegment[] = []
  let threads = 0
  let kernelVersion: string | undefined
  for (const command of commandsOf(bytes, count, start, encoding)) {
    switch (command.type) {
      case LC.segment:
      case LC.segment64:
        segments.push(decodeSegment(command, encoding))
        break
      case LC.thread:
      case LC.unixThread:
        threads++
        break
      case LC.ident:
        kernelVersion ??= textOf(command.bytes.subarray(COMMAND.body))
        break
      case LC.note:
        kernelVersion = (await readVersionNote(source, command, encoding)) ?? kernelVersion
        break
    }
  }
  return { encoding, cpuType, segments, threads, kernelVersion }
}

interface Command {
  readonly type: number
  readonly bytes: Bytes
  readonly offset: bigint
}

/** @param start offset of the commands in the file */
function* commandsOf(
  bytes: Bytes,
  count: number,
  start: number,
  { littleEndian }: Encoding,
): Generator<Command> {
  const view = asDataView(bytes)
  let at = 0
  for (let i = 0; i < count; i++) {
    const offset = BigInt(start + at)
    if (bytes.length - at < COMMAND.body) throw new FormatError(`load command ${i} is cut off`, offset)
    const size = view.getUint32(at + COMMAND.size, littleEndian)
    if (size < COMMAND.body || size > bytes.length - at)
      throw new FormatError(`load command ${i} of ${size} bytes`, offset)
    const type = view.getUint32(at + COMMAND.type, littleEndian)
    yield { type, bytes: bytes.subarray(at, at + size), offset }
    at += size
  }
}

function decodeSegment({ type, bytes, offset }: Command, { littleEndian }: Encoding): MachSegment {
  const bits = type === LC.segment64 ? 64 : 32
  const fields = SEGMENT[bits]
  if (bytes.length < fields.end) throw new FormatError(`a segment command of ${bytes.length} bytes`, offset)
  const view = asDataView(bytes)
  const field = (at: number) =>
    bits === 64 ? view.getBigUint64(at, littleEndian) : BigInt(view.getUint32(at, littleEndian))
  return {
    vmaddr: field(fields.vmaddr),
    vmsize: field(fields.vmsize),
    fileoff: field(fields.fileoff),
    filesize: field(fields.filesize),
  }
}

/** The note `kern ver str`: u32 version, and text. */
async function readVersionNote(
  source: ByteSource,
  { bytes }: Command,
  { littleEndian }: Encoding,
): Promise<string | undefined> {
  if (bytes.length < NOTE.end) return undefined
  if (textOf(bytes.subarray(NOTE.owner, NOTE.owner + NOTE.ownerSize)) !== 'kern ver str') return undefined
  const view = asDataView(bytes)
  const offset = view.getBigUint64(NOTE.offset, littleEndian)
  const size = view.getBigUint64(NOTE.size, littleEndian)
  if (size < 4n || size > MOST_TEXT || offset + size > source.size) return undefined
  return textOf((await source.read(offset, Number(size))).subarray(4))
}

const textOf = (bytes: Bytes): string | undefined =>
  Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '') || undefined
