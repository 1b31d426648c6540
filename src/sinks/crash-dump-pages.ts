import type { Output } from '../cli/output.js'
import { firstIndex, type Run } from '../formats/address-space.js'
import { fillSymbolic, type SymbolicContent } from '../formats/aff4/symbolic.js'
import type { Bytes } from '../formats/byte-source.js'
import { MOST_RUNS } from '../formats/crash-dump/bitmap.js'
import { pageEnd } from '../formats/crash-dump/dump-layout.js'
import { PAGE } from '../formats/crash-dump/header.js'
import { FormatError } from '../formats/format-error.js'
import { max, min } from '../formats/min-max.js'
import { largeWrites } from './large-writes.js'
import type { ImageWriter } from './memory-image.js'

/** Writes pages one behind the other, in the order of their addresses. */
export interface CrashDumpPages extends Pick<ImageWriter, 'put' | 'fill' | 'release'> {
  /** Zeros stand where nothing came. */
  readonly padded: boolean
  /** Fills up the last page, and where the input is complete all that were announced; waits until they are written. */
  end(complete: boolean): Promise<void>
  /** The runs of pages that are in the file, and the first address that a failed write has lost. */
  written(): { readonly runs: readonly Run[]; readonly lostFrom: bigint | undefined }
}

export interface PagesToWrite {
  /** Where the first page goes. */
  readonly firstPage: bigint
  /** Where pages may lie: ascending, of whole pages. */
  readonly allowed: readonly Run[]
  /** All of them are written, whatever comes; else those without a readable byte are left out. */
  readonly settled: boolean
}

export function crashDumpPages(
  output: Output,
  { firstPage, allowed, settled }: PagesToWrite,
): CrashDumpPages {
  const writes = largeWrites(output)
  const runs: { start: bigint; length: bigint }[] = []
  /** One past the last address that is written, and where it goes. */
  let next = 0n
  let offset = firstPage
  /** The allowed run that ends behind it. */
  let index = 0
  let padded = false

  /** Takes note of bytes that follow. @returns where they go */
  function extend(length: bigint): bigint {
    const last = runs.at(-1)
    if (last && last.start + last.length === next) last.length += length
    else {
      if (runs.length === MOST_RUNS) throw new FormatError(`more than ${MOST_RUNS} runs of pages`)
      runs.push({ start: next, length })
    }
    const at = offset
    next += length
    offset += length
    return at
  }

  async function fillTo(end: bigint, content: SymbolicContent): Promise<void> {
    if (end <= next) return
    const [start, length] = [next, end - next]
    const at = extend(length)
    // What nobody writes reads as zeros.
    if (output.seekable && (content === 'zero' || content === 0)) await writes.release()
    else await writes.make(at, length, (into, distance) => fillSymbolic(content, start + distance, into))
  }

  async function padTo(end: bigint): Promise<void> {
    if (end > next) padded = true
    await fillTo(end, 'zero')
  }

  /** Goes on to an address: behind a page that is filled up, at one that is begun. */
  async function goTo(address: bigint): Promise<void> {
    await padTo(min(address, pageEnd(next)))
    const page = address - (address % BigInt(PAGE))
    for (; index < allowed.length; index++) {
      const { start, length } = allowed[index]!
      if (settled && start < page) {
        next = max(next, start)
        await padTo(min(page, start + length))
      }
      if (start + length > page) break
    }
    next = max(next, page)
    await padTo(address)
  }

  /** How many bytes from `next` on may follow. */
  function room(): bigint {
    const run = allowed[index]
    return run && next >= run.start ? run.start + run.length - next : 0n
  }

  function checkRoom(length: bigint): void {
    if (length > room())
      throw new FormatError(
        `address 0x${(next + room()).toString(16)} is in none of the ranges that its STREAM announces`,
      )
  }

  async function putAt(address: bigint, bytes: Bytes): Promise<void> {
    await goTo(address)
    const length = BigInt(bytes.length)
    checkRoom(length)
    await writes.put(extend(length), bytes)
  }

  async function fillFrom(address: bigint, length: bigint, content: SymbolicContent): Promise<void> {
    if (length === 0n) return
    await goTo(address)
    checkRoom(length)
    await fillTo(address + length, content)
  }

  return {
    get padded() {
      return padded
    },
    put(address, bytes) {
      const length = BigInt(bytes.length)
      if (address !== next || length > room()) return putAt(address, bytes)
      return writes.put(extend(length), bytes)
    },
    async fill(address, length, content) {
      const end = address + length
      const first = pageEnd(address)
      const last = end - (end % BigInt(PAGE))
      const isBad = content === 'unreadable' || content === 'unknown'
      if (settled || !isBad || last <= first) return fillFrom(address, length, content)
      await fillFrom(address, first - address, content)
      await writes.release()
      return fillFrom(last, end - last, content)
    },
    release: writes.release,
    async end(complete) {
      await padTo(pageEnd(next))
      const last = allowed.at(-1)
      if (settled && complete && last) await goTo(last.start + last.length)
      await writes.settle()
    },
    written() {
      const { lostFrom } = writes
      if (lostFrom === undefined) return { runs, lostFrom }
      let at = firstPage
      const behind = runs.map(({ length }) => (at += length))
      const lost = firstIndex(runs.length, (i) => behind[i]! > lostFrom)
      const run = runs[lost]
      if (!run) return { runs, lostFrom: undefined }
      const into = lostFrom - (behind[lost]! - run.length)
      const whole = { start: run.start, length: into - (into % BigInt(PAGE)) }
      const kept = [...runs.slice(0, lost), whole].filter(({ length }) => length > 0n)
      return { runs: kept, lostFrom: whole.start + whole.length }
    },
  }
}
