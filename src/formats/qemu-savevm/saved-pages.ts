import { inflateSync } from 'node:zlib'
import { settleBytes } from '../../codecs/copy-bytes.js'
import { asBuffer } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'
import type { PageTable } from './page-table.js'

/** Before each whole page that follows another one. */
const ITEM_HEADER = 8
/** More than zlib ever makes of a page. */
const MOST_DEFLATED = 1 << 20

/**
 * The pages of a stream, one behind the other, as a source.
 * @param size in bytes
 */
export function savedPages(source: ByteSource, pages: PageTable, pageSize: number, size: bigint): ByteSource {
  const stride = ITEM_HEADER + pageSize
  /** Of reads across pages; another read that comes meanwhile makes its own. */
  let room: Buffer | undefined = Buffer.alloc(0)

  /** Whole pages stand in the file with a header between two of them. */
  async function readWhole(from: number, skip: number, into: Bytes): Promise<void> {
    const last = Math.ceil((skip + into.length) / pageSize) - 1
    const stored = into.length + last * ITEM_HEADER
    const what = 'a page of the memory lies'
    if (last === 0) {
      settleBytes(into, await readExactly(source, BigInt(from + skip), stored, what, into))
      return
    }
    const own = room
    room = undefined
    const slab = own && own.length >= stored ? own : Buffer.allocUnsafe(stored)
    const bytes = await readExactly(source, BigInt(from + skip), stored, what, slab)
    let done = 0
    for (let page = 0; page <= last; page++) {
      const at = page === 0 ? 0 : page * stride - skip
      const length = Math.min(pageSize - (page === 0 ? skip : 0), into.length - done)
      into.set(bytes.subarray(at, at + length), done)
      done += length
    }
    room = slab
  }

  async function readDeflated(at: number, skip: number, into: Bytes): Promise<void> {
    const what = 'a compressed page lies'
    const length = asBuffer(await readExactly(source, BigInt(at), 4, what)).readUInt32BE(0)
    if (length > MOST_DEFLATED) throw new FormatError(`a compressed page of ${length} bytes`, BigInt(at))
    const bytes = await readExactly(source, BigInt(at + 4), length, what)
    into.set(inflate(bytes, pageSize, at).subarray(skip, skip + into.length))
  }

  /** Reads from an address to the end of its page, or on where the next pages follow it in the file. */
  async function readSome(address: number, into: Bytes): Promise<number> {
    const skip = address % pageSize
    const number = Math.floor(address / pageSize)
    const page = pages.get(number)
    const place = `the page at 0x${address.toString(16)}`
    if (!page) throw new FormatError(`${place} is not in the stream`)
    if (page.kind === 'lost') throw new FormatError(`${place} is a difference (XBZRLE), which is not read`)
    if (page.kind === 'whole') {
      const touched = Math.ceil((skip + into.length) / pageSize)
      const length = Math.min(into.length, pages.inARow(number, stride, touched) * pageSize - skip)
      await readWhole(page.offset, skip, into.subarray(0, length))
      return length
    }
    const rest = into.subarray(0, pageSize - skip)
    if (page.kind === 'fill') rest.fill(page.byte)
    else await readDeflated(page.offset, skip, rest)
    return rest.length
  }

  return {
    name: source.name,
    size,
    async read(offset, length, into) {
      const wanted = offset < size ? clipLength(length, size - offset) : 0
      const bytes = into?.subarray(0, wanted) ?? new Uint8Array(wanted)
      for (let done = 0; done < wanted; ) done += await readSome(Number(offset) + done, bytes.subarray(done))
      return bytes
    },
    async close() {},
  }
}

function inflate(bytes: Bytes, pageSize: number, at: number): Bytes {
  let page: Bytes
  try {
    page = inflateSync(bytes, { maxOutputLength: pageSize })
  } catch (error) {
    throw new FormatError(`a compressed page is damaged: ${(error as Error).message}`, BigInt(at))
  }
  if (page.length !== pageSize)
    throw new FormatError(`a compressed page of ${page.length} bytes in place of ${pageSize}`, BigInt(at))
  return page
}
