import { EXIT, ToolError } from '../cli/exit.js'
import type { Output } from '../cli/output.js'
import { showSize } from '../cli/sizes.js'
import { isZero } from '../codecs/zero.js'
import type { Run } from '../formats/address-space.js'
import { fillSymbolic, type SymbolicContent } from '../formats/aff4/symbolic.js'
import type { Bytes } from '../formats/byte-source.js'
import { type LargeWrites, largeWrites } from './large-writes.js'

/** Most zeros that are written for addresses that nobody sent. A `linear` digest stops there, too. */
export const MOST_PADDING = 64n << 30n
/** Zeros become holes in blocks of this size. */
const SPARSE_BLOCK = 64 << 10

type Maybe = void | Promise<void>

/** Where a raw image has the bytes of an address. */
export interface Placement {
  /** Writes bytes; they may be views of a batch. */
  put(address: bigint, bytes: Bytes): Maybe
  /** Writes what a range without bytes reads as. */
  fill(address: bigint, length: bigint, content: SymbolicContent): Maybe
  /** Waits until no write holds a view of a batch. */
  release(): Maybe
  /** Makes the image `size` bytes long, where size counts addresses, and waits until all is written. */
  end(size: bigint): Promise<void>
  /** After a failed write: from which address on, of the `written` ranges, nothing is in the image. */
  lostFrom(written: readonly Run[]): bigint | undefined
}

/** Each byte at the offset that is its address, in ascending order; zeros between. */
export function padded(output: Output): Placement {
  const writes = largeWrites(output)
  let next = 0n
  let padding = 0n

  async function pad(end: bigint): Promise<void> {
    padding += end - next
    if (padding > MOST_PADDING) throw tooMuchPadding(output.name, padding)
    await writes.make(next, end - next, (into) => into.fill(0))
    next = end
  }
  async function padAndPut(address: bigint, bytes: Bytes): Promise<void> {
    await pad(address)
    await put(address, bytes)
  }
  function put(address: bigint, bytes: Bytes): Maybe {
    if (address > next) return padAndPut(address, bytes)
    next = address + BigInt(bytes.length)
    return writes.put(address, bytes)
  }
  return {
    put,
    async fill(address, length, content) {
      if (address > next) await pad(address)
      next = address + length
      await make(writes, address, address, length, content)
    },
    release: writes.release,
    async end(size) {
      if (size > next) await pad(size)
      await writes.settle()
    },
    lostFrom: () => writes.lostFrom,
  }
}

/** Each byte at the offset that is its address, in any order; where there are zeros, nothing is written. */
export function sparse(output: Output): Placement {
  const writes = largeWrites(output)
  return {
    put(address, bytes) {
      const pieces = withoutZeros(bytes)
      const only = pieces[0]
      if (!only) return writes.release()
      if (pieces.length === 1) return writes.put(address + BigInt(only.at), only.bytes)
      return (async () => {
        for (const { at, bytes } of pieces) await writes.put(address + BigInt(at), bytes)
      })()
    },
    fill: (address, length, content) =>
      content === 'zero' || content === 0
        ? writes.release()
        : make(writes, address, address, length, content),
    release: writes.release,
    async end(size) {
      await writes.settle()
      if (writes.lostFrom === undefined) await output.truncate(size)
    },
    lostFrom: () => writes.lostFrom,
  }
}

/** The ranges one behind the other, as they come. */
export function joined(output: Output): Placement {
  const writes = largeWrites(output)
  let next = 0n
  const take = (length: bigint): bigint => {
    next += length
    return next - length
  }
  return {
    put: (_, bytes) => writes.put(take(BigInt(bytes.length)), bytes),
    fill: (address, length, content) => make(writes, take(length), address, length, content),
    release: writes.release,
    end: () => writes.settle(),
    lostFrom(written) {
      if (writes.lostFrom === undefined) return undefined
      let left = writes.lostFrom
      for (const { start, length } of written) {
        if (left < length) return start + left
        left -= length
      }
      return undefined
    },
  }
}

function make(
  writes: LargeWrites,
  offset: bigint,
  address: bigint,
  length: bigint,
  content: SymbolicContent,
): Promise<void> {
  return writes.make(offset, length, (into, distance) => fillSymbolic(content, address + distance, into))
}

/** The pieces of `bytes` between blocks of zeros. */
function withoutZeros(bytes: Bytes): { at: number; bytes: Bytes }[] {
  const pieces: { at: number; bytes: Bytes }[] = []
  let from = 0
  const cut = (end: number, next: number) => {
    if (end > from) pieces.push({ at: from, bytes: bytes.subarray(from, end) })
    from = next
  }
  for (let at = 0; at < bytes.length; at += SPARSE_BLOCK) {
    const end = Math.min(at + SPARSE_BLOCK, bytes.length)
    if (isZero(bytes.subarray(at, end))) cut(at, end)
  }
  cut(bytes.length, bytes.length)
  return pieces
}

export function tooMuchPadding(name: string, padding: bigint): ToolError {
  return new ToolError(
    EXIT.cannotCreate,
    `${name}: ${showSize(padding)} of zeros stand for addresses that hold nothing; at most ${showSize(MOST_PADDING)} are written`,
    { hint: '--holes seek leaves holes in the file, --holes skip joins the ranges' },
  )
}
