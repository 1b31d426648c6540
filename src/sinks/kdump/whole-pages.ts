import { copyBytes } from '../../codecs/copy-bytes.js'
import { fillSymbolic, type SymbolicContent } from '../../formats/aff4/symbolic.js'
import type { Bytes } from '../../formats/byte-source.js'
import { FormatError } from '../../formats/format-error.js'
import type { ImageWriter } from '../memory-image.js'
import type { PageJobs } from './page-jobs.js'

/** Makes whole pages of what comes. */
export interface WholePages extends Pick<ImageWriter, 'put' | 'fill'> {
  /** Zeros stand where nothing came. */
  readonly padded: boolean
  /** Fills up the last page. */
  end(): Promise<void>
}

/** A part of a page that could not be read, for the case that other parts of it come. */
interface BadPart {
  readonly address: bigint
  readonly length: number
  readonly content: SymbolicContent
}

/**
 * A page of which nothing could be read is left out; where a part came, the rest is what it reads as, zeros where
 * nothing tells.
 */
export function wholePages(jobs: PageJobs, pageSize: number): WholePages {
  const size = BigInt(pageSize)
  /** The page that is being filled, and how many bytes it has; 0 where none is. */
  let page = 0
  let filled = 0
  let padded = false
  let bad: BadPart[] = []
  /** Pages that were filled up: no more of them may come. */
  const partial = new Set<number>()

  const pageOf = (address: bigint) => Number(address / size)

  /** Completes the page that is being filled with zeros. */
  async function complete(): Promise<void> {
    if (filled === 0) return
    jobs.page().fill(0, filled, pageSize)
    filled = 0
    padded = true
    partial.add(page)
    await jobs.add(page, 1)
  }

  /** Begins or goes on with the page of an address, up to it. */
  async function goTo(address: bigint): Promise<void> {
    const number = pageOf(address)
    const skip = Number(address % size)
    if (filled > 0 && (number !== page || skip < filled)) await complete()
    if (filled === 0) {
      if (partial.has(number))
        throw new FormatError(`the parts of page 0x${(BigInt(number) * size).toString(16)} come one by one`)
      page = number
    }
    const parts = bad.filter((part) => pageOf(part.address) === number)
    bad = []
    if (skip > filled) {
      const room = jobs.page()
      let told = filled
      room.fill(0, filled, skip)
      for (const { address: at, length, content } of parts) {
        const from = Number(at % size)
        fillSymbolic(content, at, room.subarray(from, from + length))
        if (from === told) told += length
      }
      if (told < skip) {
        padded = true
        partial.add(number)
      }
      filled = skip
    }
  }

  /** Takes bytes of the page that is being filled. */
  function advance(length: number): void | Promise<void> {
    filled += length
    if (filled < pageSize) return
    filled = 0
    return jobs.add(page, 1)
  }

  async function putPieces(address: bigint, bytes: Bytes): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = address + BigInt(done)
      const left = bytes.length - done
      if (at % size === 0n && left >= pageSize && (filled === 0 || pageOf(at) !== page)) {
        await complete()
        const length = Math.min(Math.floor(left / pageSize), jobs.room) * pageSize
        await putPages(at, bytes.subarray(done, done + length))
        done += length
      } else {
        await goTo(at)
        const piece = bytes.subarray(done, done + Math.min(left, pageSize - filled))
        copyBytes(jobs.page(), filled, piece)
        done += piece.length
        await advance(piece.length)
      }
    }
  }

  function putPages(address: bigint, bytes: Bytes): void | Promise<void> {
    bad = []
    copyBytes(jobs.page(), 0, bytes)
    return jobs.add(pageOf(address), bytes.length / pageSize)
  }

  /** A part of one page. */
  async function fillPart(address: bigint, length: number, content: SymbolicContent): Promise<void> {
    if (length === 0) return
    const isBad = content === 'unreadable' || content === 'unknown'
    const open = filled > 0 && pageOf(address) === page
    if (isBad && !open) {
      bad = [...bad.filter((part) => pageOf(part.address) === pageOf(address)), { address, length, content }]
      return
    }
    await goTo(address)
    fillSymbolic(content, address, jobs.page().subarray(filled, filled + length))
    await advance(length)
  }

  async function fillWhole(address: bigint, length: bigint, content: SymbolicContent): Promise<void> {
    if (length === 0n || content === 'unreadable' || content === 'unknown') return
    await complete()
    const first = pageOf(address)
    const count = Number(length / size)
    if (content === 'zero' || content === 0) return jobs.addZeros(first, count)
    for (let i = 0; i < count; i++) {
      jobs.page().fill(content, 0, pageSize)
      await jobs.add(first + i, 1)
    }
  }

  return {
    get padded() {
      return padded
    },
    put(address, bytes) {
      const count = bytes.length / pageSize
      const whole = filled === 0 && Number.isInteger(count) && count <= jobs.room && address % size === 0n
      return whole ? putPages(address, bytes) : putPieces(address, bytes)
    },
    async fill(address, length, content) {
      const end = address + length
      const first = ((address + size - 1n) / size) * size
      const last = (end / size) * size
      if (first > last) return fillPart(address, Number(length), content)
      await fillPart(address, Number(first - address), content)
      await fillWhole(first, last - first, content)
      await fillPart(last, Number(end - last), content)
    },
    end: complete,
  }
}
