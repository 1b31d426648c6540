import { promisify } from 'node:util'
import { constants, crc32, deflateRaw, deflateRawSync, type ZlibOptions } from 'node:zlib'
import type { ByteSink, Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { type DirectoryEntry, encodeEntry, entryBytes } from './central-directory.js'
import { encodeDescriptor } from './data-descriptor.js'
import { END_SIZE, encodeEnd, LOCATOR_SIZE, ZIP64_END_SIZE } from './end-records.js'
import { DEFLATED, encodeLocalHeader, STORED } from './local-header.js'

/** Level 1 is twice as fast as 6 and gains a few per cent less. */
const LEVEL = 1
/** A beginning that gets no shorter than this share of itself is stored with all behind it. */
const WORTHWHILE = 0.95

/** Where an archive goes. */
export interface ArchiveSink extends ByteSink {
  /** Undefined where that is not possible, as in a pipe. */
  readonly seekable:
    | {
        /** Writes over what was written before. */
        rewrite(offset: bigint, bytes: Bytes): Promise<void>
        /** Cuts the end off, and goes on from there. */
        truncate(size: bigint): Promise<void>
      }
    | undefined
}

/** What is known of a file beside its bytes. */
export interface ArchiveFacts {
  /** Nanoseconds since the epoch. */
  readonly modified?: bigint
  /** Permissions. */
  readonly mode: number
}

/** A member that is being written. */
export interface GrowingMember {
  /** The bytes may be a view: they are taken when the promise is kept. */
  write(bytes: Bytes): Promise<void>
  /**
   * @param name what it is called in the end, instead; at most 8 bytes longer than at first
   * @returns whether it is in the directory: in a pipe, not by another name
   */
  end(name?: string): Promise<boolean>
}

/** A plain ZIP archive, written front to back with flat memory. */
export interface Archive {
  /** Whether what was written can be written over. */
  readonly seekable: boolean
  /** What `finish` will write at most, its comment left out. */
  readonly finishBytes: number
  /** A file whose bytes are all there. */
  add(name: string, bytes: Bytes, facts: ArchiveFacts): Promise<void>
  addFolder(name: string, facts: ArchiveFacts): Promise<void>
  /**
   * Begins a file of any size.
   * @param first its first bytes: they tell whether it gets shorter
   * @param most how long it will be at most, where that is known
   */
  begin(name: string, first: Bytes, facts: ArchiveFacts, most?: bigint): Promise<GrowingMember>
  /** Writes the directory of the members that are whole. */
  finish(comment: string): Promise<void>
  /**
   * After a failed write to a file: ends the member that is open with what of it is written, in the room that its tail
   * took, and finishes.
   * @param name what that member is called, as in `end`
   * @returns how many bytes of that member's file are kept
   */
  salvage(name: string, comment: string): Promise<bigint>
}

/**
 * What is shorter needs no 64 bits for its sizes, deflated or not. In a pipe that counts: many programs that read one
 * expect them only where they are needed.
 */
const SHORT = 0xf000_0000n
/** Room for `.partial` in a name. */
const RENAMING = 8
/** Deflated at once, and written at once: behind each of them a member can end. */
const PIECE = 1 << 20
/** What ends a deflated member behind any piece: a block without bytes. */
const LAST_BLOCK = Buffer.of(3, 0)
const NO_BLOCK = Buffer.alloc(0)
/** Of a directory's entry, beside what `entryBytes` counts. */
const TIMESTAMP_BYTES = 9

/** So much of a member is written. */
interface Reached {
  readonly crc: number
  readonly size: bigint
  readonly compressedSize: bigint
}

const NOTHING: Reached = { crc: 0, size: 0n, compressedSize: 0n }

/** A member that can end before its end. */
interface OpenMember {
  /** Where: with all that is written, and with a piece less. */
  readonly cuts: readonly Reached[]
  /** Says in front of it where it ends. Who can't write that writes nothing else either. */
  tell(at: Reached, name: string): Promise<void>
  cut(at: Reached, name: string): Promise<void>
}

export function createArchive(sink: ArchiveSink): Archive {
  const { seekable } = sink
  const entries: DirectoryEntry[] = []
  let directoryBytes = 0
  /** End of the last member that was written whole. */
  let intact = sink.position
  let open: OpenMember | undefined

  function enter(entry: DirectoryEntry): void {
    entries.push(entry)
    directoryBytes += entryBytes(entry.name) + TIMESTAMP_BYTES
    intact = sink.position
  }

  const attributesOf = (kind: number, { mode }: ArchiveFacts) => (kind | (mode & 0o777)) * 0x10000
  const timeOf = ({ modified }: ArchiveFacts) => (modified === undefined ? {} : { modified })

  async function add(name: string, bytes: Bytes, facts: ArchiveFacts): Promise<void> {
    const deflated = deflateRawSync(bytes, { level: LEVEL })
    const shorter = deflated.length < bytes.length
    const stored = shorter ? deflated : bytes
    const entry: DirectoryEntry = {
      name,
      method: shorter ? DEFLATED : STORED,
      crc: crc32(bytes),
      size: BigInt(bytes.length),
      compressedSize: BigInt(stored.length),
      headerOffset: sink.position,
      attributes: attributesOf(REGULAR, facts),
      ...timeOf(facts),
    }
    await sink.write(encodeLocalHeader(entry), stored)
    enter(entry)
  }

  async function begin(
    first: string,
    sample: Bytes,
    facts: ArchiveFacts,
    most?: bigint,
  ): Promise<GrowingMember> {
    const headerOffset = sink.position
    const shorter = deflateRawSync(sample, { level: LEVEL }).length < WORTHWHILE * sample.length
    // Stored bytes tell nobody where they end.
    const described = seekable === undefined
    const long = !described || most === undefined || most >= SHORT
    const deflates = shorter || described
    const level = shorter ? LEVEL : 0
    const known = {
      method: deflates ? DEFLATED : STORED,
      headerOffset,
      described,
      attributes: attributesOf(REGULAR, facts),
      ...timeOf(facts),
    }
    const gathered = deflates ? Buffer.allocUnsafe(PIECE) : undefined
    let held = 0
    let reached = NOTHING
    /** Older ones, the first a piece or more behind `reached`. */
    let marks: readonly [Reached, Reached] = [NOTHING, NOTHING]
    // If it stays so, programs that need no directory read what there is, and miss the rest.
    const unsettled = {
      ...NOTHING,
      ...known,
      name: first,
      described: deflates,
      ...(!deflates && sizesOf(most)),
    }
    await sink.write(encodeLocalHeader(unsettled, long ? RENAMING : undefined))
    const contentOffset = sink.position

    async function put(bytes: Bytes, stored: Bytes): Promise<void> {
      await sink.write(stored)
      reached = {
        crc: crc32(bytes, reached.crc),
        size: reached.size + BigInt(bytes.length),
        compressedSize: reached.compressedSize + BigInt(stored.length),
      }
      if (reached.compressedSize - marks[1].compressedSize >= PIECE) marks = [marks[1], reached]
    }

    async function deflate(): Promise<void> {
      const bytes = gathered!.subarray(0, held)
      held = 0
      if (bytes.length > 0) await put(bytes, await deflated(bytes, level))
    }

    const endBlock = deflates ? LAST_BLOCK : NO_BLOCK
    const entryOf = (at: Reached, name: string): DirectoryEntry => ({
      ...known,
      ...at,
      name,
      compressedSize: at.compressedSize + BigInt(endBlock.length),
    })

    async function tell(entry: DirectoryEntry): Promise<void> {
      const left = RENAMING - (Buffer.byteLength(entry.name, 'utf8') - Buffer.byteLength(first, 'utf8'))
      await seekable!.rewrite(headerOffset, encodeLocalHeader(entry, left))
    }

    /** @returns whether it is in the directory */
    async function close(at: Reached, name: string): Promise<boolean> {
      if (deflates) await sink.write(endBlock)
      const entry = entryOf(at, name)
      if (seekable) await tell(entry)
      else await sink.write(encodeDescriptor(entry, long))
      // The header in a pipe keeps its name.
      const entered = seekable !== undefined || name === first
      if (entered) enter(entry)
      return entered
    }

    open = {
      get cuts() {
        return [reached, marks[0]]
      },
      tell: (at, name) => tell(entryOf(at, name)),
      async cut(at, name) {
        await seekable!.truncate(contentOffset + at.compressedSize)
        await close(at, name)
      },
    }
    let size = 0n

    return {
      async write(bytes) {
        size += BigInt(bytes.length)
        if (!long && size >= SHORT) throw new FormatError(`${sink.name}: ${first}: longer than ${most} bytes`)
        for (let at = 0; at < bytes.length; ) {
          const piece = bytes.subarray(at, at + PIECE - held)
          at += piece.length
          if (gathered) {
            gathered.set(piece, held)
            held += piece.length
            if (held === PIECE) await deflate()
          } else await put(piece, piece)
        }
      },
      async end(name = first) {
        if (deflates) await deflate()
        const entered = await close(reached, name)
        open = undefined
        return entered
      },
    }
  }

  async function finish(comment: string): Promise<void> {
    const directoryOffset = sink.position
    for (let from = 0; from < entries.length; from += ENTRIES_AT_ONCE)
      await sink.write(Buffer.concat(entries.slice(from, from + ENTRIES_AT_ONCE).map(encodeEntry)))
    const directorySize = sink.position - directoryOffset
    await sink.write(encodeEnd({ entries: BigInt(entries.length), directoryOffset, directorySize }, comment))
  }

  async function salvage(name: string, comment: string): Promise<bigint> {
    const whole = entries.length
    const end = intact
    let failure: unknown
    for (const cut of open?.cuts ?? [NOTHING])
      try {
        entries.length = whole
        await open?.tell(cut, name)
        if (open && cut.size > 0n) await open.cut(cut, name)
        else await seekable!.truncate(end)
        await finish(comment)
        return cut.size
      } catch (error) {
        failure = error
      }
    throw failure
  }

  return {
    seekable: seekable !== undefined,
    get finishBytes() {
      return directoryBytes + ZIP64_END_SIZE + LOCATOR_SIZE + END_SIZE
    },
    add,
    begin,
    finish,
    salvage,
    async addFolder(name, facts) {
      const entry: DirectoryEntry = {
        name: `${name}/`,
        method: STORED,
        crc: 0,
        size: 0n,
        compressedSize: 0n,
        headerOffset: sink.position,
        attributes: attributesOf(FOLDER, facts) + DOS_FOLDER,
        ...timeOf(facts),
      }
      await sink.write(encodeLocalHeader(entry))
      enter(entry)
    },
  }
}

/** What is stored is expected to come to its announced end. */
const sizesOf = (size = 0n) => ({ size, compressedSize: size })

const REGULAR = 0o100000
const FOLDER = 0o040000
const DOS_FOLDER = 0x10
const ENTRIES_AT_ONCE = 4096

/** Deflates in a thread. What comes ends with a whole byte: another piece can follow, or the last block. */
const deflated = (bytes: Bytes, level: number): Promise<Buffer> =>
  promisify<Bytes, ZlibOptions, Buffer>(deflateRaw)(bytes, {
    level,
    chunkSize: 256 << 10,
    finishFlush: constants.Z_SYNC_FLUSH,
  })
