import { asBuffer } from '../../../codecs/views.js'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { min } from '../../min-max.js'

const BLOCK = 1 << 20
/** Bytes that a test may look at. */
const LOOK_AHEAD = 64
const NOTHING = Buffer.alloc(0)

/** Small reads of a source, mostly forward, out of a block that is kept. */
export interface Window {
  readonly size: bigint
  /** Up to `length` bytes at `at`, fewer where the source ends: a view, valid until the next call. */
  read(at: bigint, length: number): Promise<Buffer>
  /**
   * Where `signature` stands next, from `at` on, with a place that `test` takes: it sees the signature and some
   * bytes behind it, as far as there are any.
   * @returns undefined when it doesn't
   */
  find(signature: Bytes, at: bigint, test?: (bytes: Buffer) => boolean): Promise<bigint | undefined>
}

/** @param progress told how far `find` has come */
export function openWindow(source: ByteSource, progress: (at: bigint) => void = () => {}): Window {
  let block: Buffer = NOTHING
  let blockAt = 0n

  async function load(at: bigint, length: number): Promise<Buffer> {
    const bytes = await source.read(at, length)
    block = asBuffer(bytes)
    blockAt = at
    return block
  }

  async function read(at: bigint, length: number): Promise<Buffer> {
    if (at < 0n || at >= source.size) return NOTHING
    const within = at - blockAt
    const end = at + BigInt(length)
    const wanted = Number(min(end, source.size) - at)
    if (within >= 0n && within + BigInt(wanted) <= BigInt(block.length))
      return block.subarray(Number(within), Number(within) + wanted)
    return (await load(at, Math.max(length, BLOCK))).subarray(0, wanted)
  }

  return {
    size: source.size,
    read,
    async find(signature, from, test) {
      for (let at = from; at < source.size; ) {
        const within = Number(at - blockAt)
        const cached = at >= blockAt && within + LOOK_AHEAD <= block.length
        const bytes = cached ? block.subarray(within) : await load(at, BLOCK)
        const last = at + BigInt(bytes.length) >= source.size
        const end = last ? bytes.length : bytes.length - LOOK_AHEAD + 1
        for (let index = bytes.indexOf(signature); index >= 0 && index < end; ) {
          if (!test || test(bytes.subarray(index, index + LOOK_AHEAD))) return at + BigInt(index)
          index = bytes.indexOf(signature, index + 1)
        }
        if (last) return undefined
        at += BigInt(end)
        progress(at)
      }
      return undefined
    },
  }
}
