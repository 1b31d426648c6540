import { asBuffer } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'

/*
 * Checkpoint of a virtual machine, .vmss (suspended) or .vmsn (snapshot), little-endian; VMware's own description is
 * its reader in the crash utility (vmware_vmss.h).
 *
 *   header   0  4  magic                      group   0 64  name
 *            4  4  version                           64  8  where its tags stand
 *            8  4  count of groups                   72  8  their size
 *
 *   tag      0  1  bits 0-5: size of the value, bits 6-7: count of indices
 *            1  1  length of the name
 *            2     name, u32 indices, value; a group ends with two zeros in place of a tag
 *
 * A value of size 63 is a block, one of 62 a compressed block: size in the file, size in memory (8 bytes each, 4 in
 * the oldest checkpoints), u16 padding, that many bytes, and the block.
 */
const HEADER_SIZE = 12
const GROUP_SIZE = 80
const NAME_SIZE = 64
const BLOCK = 63
const COMPRESSED_BLOCK = 62
/** Of a tag without its value, and what stands before a block. */
const LONGEST_TAG = 2 + 255 + 3 * 4 + 64 + 2 * 8 + 2

const MOST_GROUPS = 4096
const MOST_TAGS = 1 << 20
const WINDOW = 64 << 10

/** What the magic number tells of the checkpoint. */
const MAGICS: ReadonlyMap<number, Magic> = new Map([
  [0xbed0bed0, { words: 'old', wide: false }],
  [0xbed2bed0, { words: 'old', wide: false }],
  [0xbed2bed2, { words: '', wide: true }],
  [0xbed3bed3, { words: 'partial', wide: true }],
  [0xbad1bad1, { words: 'restored', wide: true }],
  [0xbad2bad2, { words: 'not to be restored', wide: true }],
])

interface Magic {
  readonly words: string
  /** Whether sizes of blocks are of 64 bits. */
  readonly wide: boolean
}

export interface Checkpoint extends Magic {
  readonly groups: readonly Group[]
}

interface Group {
  readonly name: string
  readonly offset: bigint
}

export interface Tag {
  readonly name: string
  readonly indices: readonly number[]
  /** Where its value stands in the file, and the size of it there. */
  readonly offset: bigint
  readonly size: bigint
  readonly compressed: boolean
  /** The value, where it is no block. */
  readonly value: Bytes | undefined
}

/** Whether a file begins as a checkpoint does. */
export const isCheckpoint = (head: Bytes): boolean =>
  head.length >= HEADER_SIZE && magicOf(head) !== undefined

const magicOf = (head: Bytes) => MAGICS.get(asBuffer(head).readUInt32LE(0))

/** @throws {FormatError} where its header or its groups are not what they should be */
export async function readCheckpoint(source: ByteSource): Promise<Checkpoint> {
  const header = asBuffer(await readExactly(source, 0n, HEADER_SIZE, 'the header of the checkpoint lies'))
  const magic = magicOf(header)
  if (!magic) throw new FormatError('no checkpoint of VMware', 0n)
  const count = header.readUInt32LE(8)
  if (count > MOST_GROUPS) throw new FormatError(`a checkpoint of ${count} groups`, 8n)
  const table = asBuffer(
    await readExactly(source, BigInt(HEADER_SIZE), count * GROUP_SIZE, 'the groups of the checkpoint lie'),
  )
  const groups: Group[] = []
  for (let at = 0; at < table.length; at += GROUP_SIZE)
    groups.push({
      name: table.toString('latin1', at, at + NAME_SIZE).replace(/\0.*$/s, ''),
      offset: table.readBigUInt64LE(at + NAME_SIZE),
    })
  return { ...magic, groups }
}

/** The tags of a group, in order. @throws {FormatError} where one passes the end of the file */
export async function* readTags(
  source: ByteSource,
  { wide }: Pick<Checkpoint, 'wide'>,
  group: Group,
): AsyncGenerator<Tag> {
  let window: Buffer = Buffer.alloc(0)
  let start = group.offset
  let at = group.offset
  for (let count = 0; ; count++) {
    if (count === MOST_TAGS) throw new FormatError(`a group ${group.name} of ${count} tags`, group.offset)
    const end = start + BigInt(window.length)
    if (at > end || (at + BigInt(LONGEST_TAG) > end && end < source.size)) {
      window = at < source.size ? asBuffer(await source.read(at, WINDOW)) : Buffer.alloc(0)
      start = at
    }
    const tag = decodeTag(window.subarray(Number(at - start)), at, wide)
    if (!tag) return
    yield tag
    at = tag.offset + tag.size
  }
}

/** @param at where `bytes` stand in the file @returns undefined at the end of the group */
export function decodeTag(bytes: Buffer, at: bigint, wide: boolean): Tag | undefined {
  const need = (length: number) => {
    if (length > bytes.length) throw new FormatError('a tag of the checkpoint passes the end of the file', at)
    return length
  }
  need(2)
  const [flags, nameLength] = [bytes[0]!, bytes[1]!]
  if (flags === 0 && nameLength === 0) return undefined
  const valueSize = flags & 0x3f
  const indexCount = flags >> 6
  const indexAt = need(2 + nameLength)
  const valueAt = need(indexAt + 4 * indexCount)
  const name = bytes.toString('latin1', 2, indexAt)
  const indices = Array.from({ length: indexCount }, (_, i) => bytes.readUInt32LE(indexAt + 4 * i))
  if (valueSize < COMPRESSED_BLOCK) {
    const value = Uint8Array.from(bytes.subarray(valueAt, need(valueAt + valueSize)))
    const place = { offset: at + BigInt(valueAt), size: BigInt(valueSize) }
    return { name, indices, ...place, compressed: false, value }
  }
  const width = wide ? 8 : 4
  const paddingAt = need(valueAt + 2 * width)
  const blockAt = need(paddingAt + 2) + bytes.readUInt16LE(paddingAt)
  const size = wide ? bytes.readBigUInt64LE(valueAt) : BigInt(bytes.readUInt32LE(valueAt))
  const compressed = valueSize !== BLOCK
  return { name, indices, offset: at + BigInt(blockAt), size, compressed, value: undefined }
}

/** The number that a tag holds, of at most 8 bytes; undefined where it holds none. */
export function numberOf({ value }: Tag): bigint | undefined {
  if (!value || value.length === 0 || value.length > 8) return undefined
  const padded = Buffer.alloc(8)
  padded.set(value)
  return padded.readBigUInt64LE(0)
}
