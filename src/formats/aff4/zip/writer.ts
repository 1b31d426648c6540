import { crc32 } from '../../../codecs/crc32.js'
import type { ByteSink, Bytes } from '../../byte-source.js'
import { type DirectoryEntry, encodeEntry, entryBytes } from './central-directory.js'
import { END_SIZE, encodeEnd, LOCATOR_SIZE, ZIP64_END_SIZE } from './end-records.js'
import { DEFLATED, encodeLocalHeader, LOCAL_HEADER_SIZE, STORED } from './local-header.js'
import { type OldDirectory, withoutMembers } from './old-directory.js'

/** A member whose content is known in full. */
export interface NewMember {
  readonly name: string
  /** What is stored, one piece after another. */
  readonly pieces: readonly Bytes[]
  /** CRC-32 of the content, where the caller has it already. */
  readonly crc?: number
  /** The pieces are the deflated form of this. */
  readonly inflated?: Bytes
  /** False leaves it out of the directory: only who walks the local headers finds it. */
  readonly listed?: boolean
}

/** A ZIP file that is written front to back: offsets are counted, and nothing is patched but by `replace`. */
export interface ZipWriter {
  /** End of the last member that was written whole. After a failed write what follows may be cut off. */
  readonly intact: bigint
  /** How many bytes `finish` writes at most. */
  readonly finishBytes: number
  has(name: string): boolean
  /** Leaves members of the old directory out of the new one; a name becomes free by that. */
  omit(names: Iterable<string>): void
  /**
   * Writes members in one go, behind those of earlier calls. The pieces must not change until then. When it fails
   * none of them counts, and what is called later fails as well, until `recover`.
   * @throws what the sink throws
   */
  write(...members: NewMember[]): Promise<void>
  /** Waits until nothing is under way any more; after a failure, writing goes on behind `intact`. */
  recover(): Promise<void>
  /**
   * Writes the content of a stored member anew: as many bytes as it has.
   * @param rewrite writes where the sink has written before
   */
  replace(
    name: string,
    content: Bytes,
    rewrite: (offset: bigint, bytes: Bytes) => Promise<void>,
  ): Promise<void>
  /**
   * Writes the directory and the end records.
   * @param multiple a power of two, of which the size of the file is a multiple: what is missing stands before the
   * directory
   */
  finish(comment: string, multiple?: number): Promise<void>
}

/** How many bytes a member takes besides its content, at most, its entry in the directory included. */
export const memberOverhead = (name: string): number =>
  LOCAL_HEADER_SIZE + Buffer.byteLength(name, 'utf8') + 20 + entryBytes(name)

/**
 * @param old the directory of a ZIP file that the sink goes on behind: the new one begins with its entries
 * @param seen told of each member, in the order in which they are written
 */
export function createZipWriter(
  sink: ByteSink,
  old?: OldDirectory,
  seen: (member: NewMember) => void = () => {},
): ZipWriter {
  const entries: DirectoryEntry[] = []
  const names = new Set<string>(old?.names)
  const omitted = new Set<string>()
  const { shift = 0n, pieces: oldPieces = [] } = old ?? {}
  let intact = sink.position
  let finishBytes = ZIP64_END_SIZE + LOCATOR_SIZE + END_SIZE + 256 + Number(lengthOf(oldPieces))
  let last: Promise<void> = Promise.resolve()

  function inTurn(work: () => Promise<void>): Promise<void> {
    last = last.then(work)
    // Whoever waits for it is told; nobody has to.
    last.catch(() => {})
    return last
  }

  async function writeNow(members: readonly NewMember[]): Promise<void> {
    const pieces: Bytes[] = []
    const written: DirectoryEntry[] = []
    let position = sink.position
    for (const member of members) {
      const compressedSize = lengthOf(member.pieces)
      const content = member.inflated ? [member.inflated] : member.pieces
      const entry: DirectoryEntry = {
        name: member.name,
        method: member.inflated ? DEFLATED : STORED,
        crc: member.crc ?? crcOf(content),
        size: member.inflated ? BigInt(member.inflated.length) : compressedSize,
        compressedSize,
        headerOffset: position - shift,
      }
      const header = encodeLocalHeader(entry)
      pieces.push(header, ...member.pieces)
      position += BigInt(header.length) + compressedSize
      if (member.listed !== false) written.push(entry)
    }
    await sink.write(...pieces)
    intact = sink.position
    entries.push(...written)
  }

  return {
    get intact() {
      return intact
    },
    get finishBytes() {
      return finishBytes
    },
    has: (name) => names.has(name),
    omit(some) {
      for (const name of some) if (names.delete(name)) omitted.add(name)
    },
    write(...members) {
      for (const member of members) {
        seen(member)
        const { name, listed } = member
        if (listed === false) continue
        names.add(name)
        finishBytes += entryBytes(name)
      }
      return inTurn(() => writeNow(members))
    },
    async recover() {
      await last.catch(() => {})
      last = Promise.resolve()
    },
    replace: (name, content, rewrite) =>
      inTurn(async () => {
        const at = entries.findIndex((entry) => entry.name === name)
        const entry = { ...entries[at]!, crc: crcOf([content]) }
        await rewrite(entry.headerOffset + shift, Buffer.concat([encodeLocalHeader(entry), content]))
        entries[at] = entry
      }),
    finish: (comment, multiple = 1) =>
      inTurn(async () => {
        const kept = old && withoutMembers(old, omitted)
        const directory = [...(kept?.pieces ?? []), Buffer.concat(entries.map(encodeEntry))]
        const end = {
          entries: BigInt((kept?.entries ?? 0) + entries.length),
          directoryOffset: sink.position - shift,
          directorySize: lengthOf(directory),
        }
        const least = sink.position + end.directorySize + BigInt(encodeEnd(end, comment).length)
        const gap = Buffer.alloc(Number(-least & BigInt(multiple - 1)))
        const directoryOffset = end.directoryOffset + BigInt(gap.length)
        await sink.write(gap, ...directory, encodeEnd({ ...end, directoryOffset }, comment))
        intact = sink.position
      }),
  }
}

function lengthOf(pieces: readonly Bytes[]): bigint {
  let length = 0n
  for (const piece of pieces) length += BigInt(piece.length)
  return length
}

function crcOf(pieces: readonly Bytes[]): number {
  let crc = 0
  for (const piece of pieces) crc = crc32(piece, crc)
  return crc
}
