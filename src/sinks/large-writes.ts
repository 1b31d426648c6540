import type { Output } from '../cli/output.js'
import type { Bytes } from '../formats/byte-source.js'
import { clipLength } from '../formats/clip-length.js'

const SLAB = 1 << 20
/** From this size on bytes are written from where they are; smaller ones are gathered. */
const LARGE = 256 << 10

/**
 * Turns what frames bring into few large writes, one behind the frames: while a write is under way the next
 * frames are read.
 */
export interface LargeWrites {
  /**
   * Writes bytes at an offset of the output, which must be the next one unless the output is seekable. They
   * may be views of a batch: any call made while that batch is alive, `release` included, waits for them.
   */
  put(offset: bigint, bytes: Bytes): void | Promise<void>
  /**
   * Writes `length` bytes that `fill` makes: it is given pieces of at most 1 MiB to fill, and the distance
   * of each from `offset`.
   */
  make(offset: bigint, length: bigint, fill: (into: Bytes, distance: bigint) => void): Promise<void>
  /** Waits until no write holds a view of a batch. */
  release(): void | Promise<void>
  /** Waits until all is written. After a failure there is nothing to wait for. */
  settle(): Promise<void>
  /** After a failure: the lowest offset that was taken here and is not in the output. */
  readonly lostFrom: bigint | undefined
}

/** What is written to: at positions where it is seekable. */
export type Written = Pick<Output, 'seekable' | 'write' | 'writeAt'>

export function largeWrites(output: Written): LargeWrites {
  let slab = Buffer.allocUnsafeSlow(SLAB)
  let other = Buffer.allocUnsafeSlow(SLAB)
  /** Where the gathered bytes go. */
  let start = 0n
  let filled = 0
  let pending: { offset: bigint; written: Promise<void> } | undefined
  /** The pending write reads from memory that is not ours. */
  let borrowed = false
  let lostFrom: bigint | undefined

  async function done(): Promise<void> {
    if (!pending) return
    const { offset, written } = pending
    pending = undefined
    borrowed = false
    try {
      await written
    } catch (error) {
      lostFrom = filled > 0 && start < offset ? start : offset
      throw error
    }
  }

  async function begin(offset: bigint, bytes: Bytes, borrows: boolean): Promise<void> {
    await done()
    const written = output.seekable ? output.writeAt(offset, bytes) : output.write(bytes)
    written.catch(() => {}) // met by the next `done`
    pending = { offset, written }
    borrowed = borrows
  }

  async function flush(): Promise<void> {
    if (filled === 0) return
    await begin(start, slab.subarray(0, filled), false)
    ;[slab, other] = [other, slab]
    filled = 0
  }

  /** How many bytes for `offset` the slab still takes. */
  const room = (offset: bigint): number =>
    filled === 0 ? SLAB : offset === start + BigInt(filled) ? SLAB - filled : 0

  /** The next `length` bytes of the slab, to be filled with what belongs at `offset`. */
  function reserve(offset: bigint, length: number): Bytes {
    if (filled === 0) start = offset
    filled += length
    return slab.subarray(filled - length, filled)
  }

  async function putSlowly(offset: bigint, bytes: Bytes): Promise<void> {
    if (borrowed) await done()
    const large = bytes.length >= LARGE
    if (large || bytes.length > room(offset)) await flush()
    if (large) await begin(offset, bytes, true)
    else reserve(offset, bytes.length).set(bytes)
  }

  return {
    put(offset, bytes): void | Promise<void> {
      if (borrowed || bytes.length >= LARGE || bytes.length > room(offset)) return putSlowly(offset, bytes)
      reserve(offset, bytes.length).set(bytes)
    },
    async make(offset, length, fill) {
      if (borrowed) await done()
      for (let distance = 0n; distance < length; ) {
        const at = offset + distance
        if (room(at) === 0) await flush()
        const left = length - distance
        const size = clipLength(room(at), left)
        fill(reserve(at, size), distance)
        distance += BigInt(size)
      }
    },
    release: () => (borrowed ? done() : undefined),
    async settle() {
      if (lostFrom !== undefined) return
      await flush()
      await done()
    },
    get lostFrom() {
      return lostFrom
    },
  }
}
