import { decompressInto } from '../../codecs/codec.js'
import { CodecError, type FileCodec } from '../../codecs/codec-error.js'
import { copyBytes } from '../../codecs/copy-bytes.js'
import { asBuffer } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'
import type { Descriptor, Descriptors } from './descriptors.js'
import { LZO, SNAPPY, ZLIB, ZSTD } from './structs.js'

const CODECS: Readonly<Record<number, FileCodec>> = {
  0: 'none',
  [ZLIB]: 'zlib',
  [LZO]: 'lzo',
  [SNAPPY]: 'snappy',
  [ZSTD]: 'zstd',
}
/** Neighbours are read together up to this size. */
const MOST_READ = 2 << 20
/** Pages decoded for one call of `of`: descriptors of so many are held. */
const MOST_PAGES = 1024

/** The content of the pages in a file. */
export interface Pages {
  /**
   * Decodes pages in a row, all of one run, one behind the other.
   * @param into of whole pages
   * @throws {FormatError} with the offset, where one is damaged
   */
  read(first: number, into: Buffer): Promise<void>
}

export function openPages(source: ByteSource, descriptors: Descriptors, pageSize: number): Pages {
  const room = Buffer.allocUnsafe(MOST_READ)
  /** A page that was away from its neighbours: most likely the zeros that all such pages share. */
  const shared = { offset: -1, bytes: Buffer.allocUnsafe(pageSize) }

  function check(page: number, { offset, size, flags }: Descriptor): FileCodec {
    const codec = CODECS[flags]
    const place = BigInt(Math.max(offset, 0))
    if (offset <= 0) throw new FormatError(`page ${page} was lost by the writer of the dump`)
    if (codec === undefined) throw new FormatError(`page ${page} is stored as 0x${flags.toString(16)}`, place)
    if (size === 0 || size > 2 * pageSize || (codec === 'none' && size !== pageSize))
      throw new FormatError(`page ${page} in ${size} bytes`, place)
    return codec
  }

  function decode(page: number, descriptor: Descriptor, stored: Bytes, into: Buffer): void {
    try {
      decompressInto(check(page, descriptor), stored, into)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      throw new FormatError(`page ${page}: ${error.message}`, BigInt(descriptor.offset))
    }
  }

  async function readShared(page: number, descriptor: Descriptor): Promise<void> {
    shared.offset = -1
    const what = `page ${page} lies`
    const stored = await readExactly(source, BigInt(descriptor.offset), descriptor.size, what, room)
    decode(page, descriptor, stored, shared.bytes)
    shared.offset = descriptor.offset
  }

  /** How many pages from `index` on are stored one behind the other, those left out that are shared. */
  function neighbours(found: (index: number) => Descriptor, index: number, count: number) {
    const { offset, size } = found(index)
    let end = offset + size
    let next = index + 1
    let last = next
    for (; next < count; next++) {
      const other = found(next)
      if (other.offset === shared.offset) continue
      if (other.offset !== end || end + other.size - offset > MOST_READ) break
      end += other.size
      last = next + 1
    }
    return { end, last }
  }

  return {
    async read(first, into) {
      const total = into.length / pageSize
      for (let done = 0; done < total; done += MOST_PAGES) {
        const count = Math.min(MOST_PAGES, total - done)
        const base = first + done
        const found = await descriptors.at(descriptors.rankOf(base), count)
        const target = (index: number) =>
          into.subarray((done + index) * pageSize, (done + index + 1) * pageSize)
        for (let index = 0; index < count; ) {
          const descriptor = found(index)
          check(base + index, descriptor)
          if (descriptor.offset === shared.offset) {
            copyBytes(into, (done + index++) * pageSize, shared.bytes)
            continue
          }
          const { end, last } = neighbours(found, index, count)
          if (last === index + 1) {
            await readShared(base + index, descriptor)
            continue
          }
          const length = end - descriptor.offset
          const what = `page ${base + index} lies`
          const stored = asBuffer(await readExactly(source, BigInt(descriptor.offset), length, what, room))
          for (; index < last; index++) {
            const one = found(index)
            const from = one.offset - descriptor.offset
            if (one.offset === shared.offset) copyBytes(into, (done + index) * pageSize, shared.bytes)
            else decode(base + index, one, stored.subarray(from, from + one.size), target(index))
          }
        }
      }
    },
  }
}
