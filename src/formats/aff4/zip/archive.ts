import { constants, crc32, createDeflateRaw, type DeflateRaw, deflateRawSync } from 'node:zlib'
import type { ByteSink, Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { type DirectoryEntry, encodeEntry } from './central-directory.js'
import { encodeDescriptor } from './data-descriptor.js'
import { encodeEnd } from './end-records.js'
import { DEFLATED, encodeLocalHeader, STORED } from './local-header.js'

/** Level 1 is twice as fast as 6 and gains a few per cent less. */
const LEVEL = 1
/** A beginning that gets no shorter than this share of itself is stored with all behind it. */
const WORTHWHILE = 0.95

/** Where an archive goes. */
export interface ArchiveSink extends ByteSink {
  /** Writes over what was written before; undefined where that is not possible, as in a pipe. */
  readonly rewrite: ((offset: bigint, bytes: Bytes) => Promise<void>) | undefined
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
  /** @param name what it is called in the end, instead; at most 8 bytes longer than at first */
  end(name?: string): Promise<void>
}

/** A plain ZIP archive, written front to back with flat memory. */
export interface Archive {
  /** End of the last member that was written whole. */
  readonly intact: bigint
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
}

/**
 * What is shorter needs no 64 bits for its sizes, deflated or not. In a pipe that counts: many programs that read one
 * expect them only where they are needed.
 */
const SHORT = 0xf000_0000n
/** Room for `.partial` in a name. */
const RENAMING = 8

export function createArchive(sink: ArchiveSink): Archive {
  const entries: DirectoryEntry[] = []
  let intact = sink.position

  function enter(entry: DirectoryEntry): void {
    entries.push(entry)
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
    const described = sink.rewrite === undefined
    const long = !described || most === undefined || most >= SHORT
    const deflater = shorter || described ? createDeflater(shorter ? LEVEL : 0) : undefined
    const method = deflater ? DEFLATED : STORED
    const known = {
      method,
      headerOffset,
      described,
      attributes: attributesOf(REGULAR, facts),
      ...timeOf(facts),
    }
    let crc = 0
    let size = 0n
    let compressedSize = 0n
    const header = { name: first, crc, size, compressedSize, ...known }
    await sink.write(encodeLocalHeader(header, long ? RENAMING : undefined))

    async function put(pieces: readonly Bytes[]): Promise<void> {
      for (const piece of pieces) compressedSize += BigInt(piece.length)
      if (pieces.length > 0) await sink.write(...pieces)
    }

    return {
      async write(bytes) {
        crc = crc32(bytes, crc)
        size += BigInt(bytes.length)
        if (!long && size >= SHORT) throw new FormatError(`${sink.name}: ${first}: longer than ${most} bytes`)
        await put(deflater ? await deflater.push(bytes) : [bytes])
      },
      async end(name = first) {
        if (deflater) await put(await deflater.finish())
        const entry = { name, crc, size, compressedSize, ...known }
        if (sink.rewrite) {
          const left = RENAMING - (Buffer.byteLength(name, 'utf8') - Buffer.byteLength(first, 'utf8'))
          await sink.rewrite(headerOffset, encodeLocalHeader(entry, left))
        } else await sink.write(encodeDescriptor(entry, long))
        // The header in a pipe keeps its name.
        if (sink.rewrite || name === first) enter(entry)
      },
    }
  }

  return {
    get intact() {
      return intact
    },
    add,
    begin,
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
    async finish(comment) {
      const directoryOffset = sink.position
      for (let from = 0; from < entries.length; from += ENTRIES_AT_ONCE)
        await sink.write(Buffer.concat(entries.slice(from, from + ENTRIES_AT_ONCE).map(encodeEntry)))
      const directorySize = sink.position - directoryOffset
      await sink.write(
        encodeEnd({ entries: BigInt(entries.length), directoryOffset, directorySize }, comment),
      )
    },
  }
}

const REGULAR = 0o100000
const FOLDER = 0o040000
const DOS_FOLDER = 0x10
const ENTRIES_AT_ONCE = 4096

/** Deflates in a thread, and holds no more than what it was just given. */
function createDeflater(level: number) {
  const deflate: DeflateRaw = createDeflateRaw({ level, chunkSize: 256 << 10, flush: constants.Z_NO_FLUSH })
  let pieces: Bytes[] = []
  let failure: Error | undefined
  deflate.on('data', (piece: Bytes) => pieces.push(piece))
  deflate.on('error', (error) => {
    failure = error
  })
  function take(): Bytes[] {
    if (failure) throw failure
    const taken = pieces
    pieces = []
    return taken
  }
  return {
    async push(bytes: Bytes): Promise<Bytes[]> {
      await new Promise<void>((resolve, reject) =>
        deflate.write(bytes, (error) => (error ? reject(error) : resolve())),
      )
      return take()
    },
    async finish(): Promise<Bytes[]> {
      await new Promise<void>((resolve, reject) => {
        deflate.once('end', resolve)
        deflate.once('error', reject)
        deflate.end()
      })
      return take()
    },
  }
}
