import { EXIT, ToolError } from '../cli/exit.js'
import type { Output } from '../cli/output.js'
import { byStart, mergeRuns, type Run, subtractRuns } from '../formats/address-space.js'
import { fillSymbolic } from '../formats/aff4/symbolic.js'
import type { Bytes } from '../formats/byte-source.js'
import { CLOSING_SIZE, encodeClosing } from '../formats/elf/closing-note.js'
import {
  alignToPage,
  elfCoreLayout,
  encodeCoreHeaders,
  MAX_PROGRAM_HEADERS,
  TABLE_OFFSET,
} from '../formats/elf/core-layout.js'
import { FLAG_INCOMPLETE, PN_XNUM } from '../formats/elf/structs.js'
import { min } from '../formats/min-max.js'
import { within } from './coverage.js'
import { type CoreDescription, describeCore, TOOL } from './elf-description.js'
import { growingSegments, type Placed, settledSegments } from './elf-segments.js'
import { endOf } from './evidence-notes.js'
import { refuseUnlessHeld } from './file-size.js'
import { largeWrites } from './large-writes.js'
import type { Evidence, ImageWriter } from './memory-image.js'

/** Room for what our note says once the input is over: two thousand ranges that could not be read. */
const SPARE = 64 << 10
/** Room for a thousand ranges, when nobody tells them ahead. */
const UNANNOUNCED = 56 << 10
/** LeechCore reads the headers in the first 0x2000 bytes. */
const MOST_FOR_LEECHCORE = 145

export interface CoreOptions {
  /** The same bytes for the same evidence: nothing of the machine that writes it, and of how and when. */
  readonly deterministic: boolean
  /** Told who cannot read it. */
  warn(message: string, hint: string): void
}

export interface CoreWriter extends ImageWriter {
  /** Where in the file addresses have their place. */
  placed(): readonly Placed[]
  /** Bytes of the whole file, when it is written in sequence. */
  readonly size: bigint
}

/**
 * Begins a core: with the final headers where the ranges are known ahead, else with room for them.
 * @throws {ToolError} when they aren't, and the output can't be written again
 */
export async function beginCore(
  output: Output,
  evidence: Evidence,
  announced: readonly Run[] | undefined,
  { deterministic, warn }: CoreOptions = { deterministic: false, warn() {} },
): Promise<CoreWriter> {
  if (announced && announced.length >= MAX_PROGRAM_HEADERS)
    throw new ToolError(EXIT.data, `${announced.length} ranges are too many for an ELF core`, {
      hint: 'raw-sink and aff4-sink take any number',
    })
  if (!announced && !output.seekable)
    throw new ToolError(EXIT.data, `${output.name}: the stream does not tell its ranges ahead`, {
      hint: 'an ELF core begins with them: write it to a regular file',
    })
  const description = describeCore(evidence, deterministic, !output.seekable)
  // What is cut off by a power failure is marked, too.
  const flags = output.seekable ? FLAG_INCOMPLETE : 0
  const layout = elfCoreLayout(
    { ...description, flags },
    (announced ?? []).map(segmentOf(description)),
    announced ? SPARE : SPARE + UNANNOUNCED,
  )
  if (announced) warnOfMany(announced.length + 1, output.name, warn)
  const memoryStart = alignToPage(BigInt(layout.header.length))
  const segments = announced
    ? settledSegments(announced.map((run, i) => ({ ...run, shift: layout.segments[i]!.offset - run.start })))
    : growingSegments(memoryStart)
  output.space.demand(layout.size)
  await output.write()
  refuseUnlessHeld(output, layout.size, 'aff4-sink takes any address, and no space for what is zero')
  await output.write(layout.header)
  const closingStart = alignToPage(layout.size)
  const writes = largeWrites(output)
  /** End of what is on its way to an output that takes bytes only in sequence. */
  let end = BigInt(layout.header.length)

  async function reach(offset: bigint): Promise<void> {
    if (!output.seekable && offset > end) await writes.make(end, offset - end, (into) => into.fill(0))
    end = offset
  }

  async function putPieces(address: bigint, bytes: Bytes): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { offset, length } = segments.place(address + BigInt(done), BigInt(bytes.length - done))
      await reach(offset)
      await writes.put(offset, bytes.subarray(done, done + Number(length)))
      end = offset + length
      done += Number(length)
    }
  }

  /** What was announced and never came is filling, too. */
  async function close(evidence: Evidence): Promise<void> {
    const absent = [...subtractRuns(announced ?? [], mergeRuns(evidence.blocks))]
    const blocks = [...evidence.blocks, ...absent.map((run) => ({ ...run, status: '?' as const }))]
    blocks.sort(byStart)
    await reach(closingStart)
    await writes.put(closingStart, encodeClosing(endOf({ ...evidence, blocks }, TOOL)))
  }

  /** What of the segments came and is in the file. */
  function* keptOf(ranges: readonly Run[]): Generator<Placed> {
    const { lostFrom } = writes
    for (const piece of within(segments.placed(), ranges)) {
      const left = lostFrom === undefined ? piece.length : lostFrom - piece.start - piece.shift
      if (left > 0n) yield { ...piece, length: min(left, piece.length) }
    }
  }

  return {
    put(address, bytes) {
      const size = BigInt(bytes.length)
      const { offset, length } = segments.place(address, size)
      if (length < size || (!output.seekable && offset !== end)) return putPieces(address, bytes)
      end = offset + size
      return writes.put(offset, bytes)
    },
    async fill(address, total, content) {
      for (let done = 0n; done < total; ) {
        const here = address + done
        const { offset, length } = segments.place(here, total - done)
        await reach(offset)
        // What nobody writes reads as zeros.
        if (output.seekable && (content === 'zero' || content === 0)) await writes.release()
        else
          await writes.make(offset, length, (into, distance) => fillSymbolic(content, here + distance, into))
        end = offset + length
        done += length
      }
    },
    release: writes.release,
    placed: segments.placed,
    size: closingStart + BigInt(CLOSING_SIZE),
    async finish(evidence, ranges, complete) {
      if (!output.seekable) {
        if (complete || end === layout.size) await close(evidence)
        await writes.settle()
        return ranges
      }
      await writes.settle()
      const kept = [...keptOf(ranges)]
      if (!announced) warnOfMany(kept.length + 1, output.name, warn)
      await writeHeaders(output, describeCore(evidence, deterministic, false), kept, memoryStart, complete)
      return kept
    },
  }
}

function warnOfMany(headers: number, name: string, warn: CoreOptions['warn']): void {
  if (headers <= MOST_FOR_LEECHCORE) return
  const who = headers < PN_XNUM ? 'LeechCore and MemProcFS' : 'Volatility 3, LeechCore and MemProcFS'
  warn(
    `${name}: ${headers} program headers: ${who} cannot read a core of so many ranges`,
    'aff4-sink and raw-sink take any number',
  )
}

/** Ahead of memory where they fit, else behind it. */
async function writeHeaders(
  output: Output,
  description: CoreDescription,
  kept: readonly Placed[],
  memoryStart: bigint,
  complete: boolean,
): Promise<void> {
  const segments = kept.map((piece) => ({
    ...segmentOf(description)(piece),
    offset: piece.start + piece.shift,
  }))
  const facts = { ...description, flags: complete ? 0 : FLAG_INCOMPLETE }
  const memoryEnd = segments.reduce(
    (end, { offset, length }) => (offset + length > end ? offset + length : end),
    memoryStart,
  )
  const ahead = encodeCoreHeaders(facts, segments)
  if (TABLE_OFFSET + BigInt(ahead.table.length) <= memoryStart) {
    const block = new Uint8Array(Number(memoryStart))
    block.set(ahead.ehdr)
    block.set(ahead.table, ahead.ehdr.length)
    await output.truncate(memoryEnd)
    await output.writeAt(0n, block)
  } else {
    const behind = alignToPage(memoryEnd)
    const { ehdr, table } = encodeCoreHeaders(facts, segments, behind)
    await output.truncate(behind)
    await output.writeAt(behind, table)
    await output.writeAt(0n, ehdr)
  }
}

const segmentOf =
  ({ virtual }: CoreDescription) =>
  ({ start, length }: Run) =>
    virtual ? { paddr: start, vaddr: virtual(start), length } : { paddr: 0n, vaddr: start, length }
