import { crc32 } from 'node:zlib'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'

/** One of the named pieces that a volume consists of. */
export interface Member {
  readonly name: string
  /** Of its content. */
  readonly size: bigint
  /** As it is stored. */
  readonly compressedSize: bigint
  /** CRC-32 of its content; undefined in a folder, where nobody keeps one. */
  readonly crc: number | undefined
  /** How it is stored (zip/local-header.ts). */
  readonly method: number
  /** Where its local header stands in the file; 0 in a folder. */
  readonly headerOffset: bigint
}

/** What holds the members of a volume: a ZIP file, or a folder. */
export interface Container {
  /** What a message calls it. */
  readonly name: string
  /** By name; where a name stands twice the last one counts. */
  readonly members: ReadonlyMap<string, Member>
  /** Of the ZIP file, which says the URN of the volume. */
  readonly comment: string
  /**
   * The content of a member as a source.
   * @throws {FormatError} when the container contradicts itself there
   */
  open(member: Member): Promise<ByteSource>
  /**
   * The whole content of a member, checked against its CRC.
   * @param limit a larger one is refused before anything is allocated
   * @throws {FormatError} when it is larger, damaged or cut
   */
  read(member: Member, limit: bigint): Promise<Bytes>
}

/** What is read of a member at once. */
const BLOCK = 1 << 20

/**
 * Reads all of an open member to compare it with its CRC.
 * @returns what is wrong with it
 */
export async function checkMember(member: Member, content: ByteSource): Promise<string | undefined> {
  if (member.crc === undefined) return undefined
  let crc = 0
  const block = Buffer.allocUnsafe(clipLength(BLOCK, content.size))
  for (let done = 0n; done < content.size; done += BigInt(BLOCK))
    crc = crc32(await content.read(done, BLOCK, block), crc)
  return crc === member.crc ? undefined : `${content.name}: CRC does not match`
}
