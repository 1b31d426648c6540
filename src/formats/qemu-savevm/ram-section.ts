import { FormatError } from '../format-error.js'
import { type ForwardReader, readName } from './forward-reader.js'
import type { Block } from './machines.js'
import type { Page, PageTable } from './page-table.js'

/*
 * The data of a section `ram`, version 4 (migration/ram.c): items until END. Each begins with u64, an offset in a
 * block whose low bits, below the size of a page, are flags. A block is named by u8 length and name, unless the item
 * says that it is the one of the item before.
 */
const FLAG = {
  /** u8: a page of this byte. */
  ZERO: 0x02,
  /** The blocks: u8 length, name, u64 size each, until their sizes have reached the offset. */
  MEM_SIZE: 0x04,
  /** A page as it is. */
  PAGE: 0x08,
  END: 0x10,
  CONTINUE: 0x20,
  /** u8 1, u16 length: a page as the difference from what it was. */
  XBZRLE: 0x40,
  HOOK: 0x80,
  /** u32 length, and a page in zlib's format. */
  COMPRESSED: 0x100,
  MULTIFD_FLUSH: 0x200,
} as const

const MOST_BLOCKS = 4096
/** Flags whose meaning is not in the stream. */
const ELSEWHERE = FLAG.HOOK | FLAG.MULTIFD_FLUSH

export interface RamItems {
  /** A power of two. */
  readonly pageSize: number
  readonly pages: PageTable
  /**
   * Called before the first page.
   * @returns by their names, the numbers of the first pages of blocks whose pages are wanted
   * @throws {FormatError} where none of them is memory
   */
  announce(blocks: readonly Block[]): ReadonlyMap<string, number>
}

/** Of a block that was announced: in pages. */
interface Known {
  readonly count: number
  /** Undefined where its pages are not wanted. */
  readonly first: number | undefined
}

/** Reads the sections `ram` of one stream, in order. */
export function createRamReader({ pageSize, pages, announce }: RamItems) {
  const bits = Math.log2(pageSize)
  let blocks = new Map<string, Known>()
  let current: Known | undefined

  async function readBlocks(reader: ForwardReader, total: bigint): Promise<void> {
    const found: Block[] = []
    for (let left = total; left > 0n; ) {
      const at = BigInt(reader.position)
      const name = await readName(reader)
      await reader.need(8)
      const size = reader.u64()
      if (size > left || found.length === MOST_BLOCKS)
        throw new FormatError(`memory ${name} of ${size} bytes, of which ${left} are left`, at)
      left -= size
      found.push({ name, size })
    }
    const wanted = announce(found)
    blocks = new Map(
      found.map(({ name, size }) => [name, { count: Number(size >> BigInt(bits)), first: wanted.get(name) }]),
    )
  }

  return async (reader: ForwardReader): Promise<void> => {
    // Millions of items: what is there already is not waited for.
    for (;;) {
      const at = reader.position
      const ready = reader.need(8)
      if (ready !== true) await ready
      const high = reader.u32()
      const low = reader.u32()
      const flags = low & (pageSize - 1)
      if (flags === FLAG.END) return
      if (flags === FLAG.MEM_SIZE) {
        await readBlocks(reader, (BigInt(high) << 32n) + BigInt(low - flags))
        continue
      }
      if (flags & ELSEWHERE)
        throw new FormatError('memory that was sent beside the stream (multifd, RDMA)', BigInt(at))
      if (!(flags & FLAG.CONTINUE)) current = blocks.get(await readName(reader))
      const page = high * 2 ** (32 - bits) + (low >>> bits)
      if (!current || page >= current.count)
        throw new FormatError('a page of memory that was not announced', BigInt(at))
      const { first } = current
      const note = (value: Page) => {
        if (first !== undefined) pages.set(first + page, value)
      }
      const start = reader.position
      switch (flags & ~FLAG.CONTINUE) {
        case FLAG.PAGE:
          reader.skip(pageSize)
          note({ kind: 'whole', offset: start })
          break
        case FLAG.ZERO: {
          const there = reader.need(1)
          if (there !== true) await there
          note({ kind: 'fill', byte: reader.u8() })
          break
        }
        case FLAG.COMPRESSED:
          await reader.need(4)
          reader.skip(reader.u32())
          note({ kind: 'deflated', offset: start })
          break
        case FLAG.XBZRLE:
          await reader.need(3)
          reader.u8()
          reader.skip(reader.u16())
          note({ kind: 'lost' })
          break
        default:
          throw new FormatError(`an item of memory with flags 0x${flags.toString(16)}`, BigInt(at))
      }
    }
  }
}
