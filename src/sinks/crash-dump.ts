import { EXIT, ToolError } from '../cli/exit.js'
import type { Log } from '../cli/messages.js'
import type { Output } from '../cli/output.js'
import { isZero } from '../codecs/zero.js'
import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import { bitmapSize, encodeBitmap, MOST_RUNS, SUMMARY_SIZE } from '../formats/crash-dump/bitmap.js'
import { lackedByWinDbg, unfitFacts } from '../formats/crash-dump/dump-facts.js'
import {
  bitsFor,
  type DumpShape,
  dumpShape,
  encodeDumpStart,
  templateOf,
  UNTOLD_END,
  wholePages,
} from '../formats/crash-dump/dump-layout.js'
import { DUMP_TYPE, LAYOUTS, PAGE } from '../formats/crash-dump/header.js'
import { FormatError } from '../formats/format-error.js'
import { max } from '../formats/min-max.js'
import { announcedSize } from '../frames/streams.js'
import { within } from './coverage.js'
import { crashDumpPages } from './crash-dump-pages.js'
import { refuseUnlessHeld } from './file-size.js'
import { type Evidence, factTitles, type ImageWriter, tellLost } from './memory-image.js'

const WAY_OUT = 'aff4-sink and elf-sink take it'
/** Of a bitmap, so much is made at once. */
const STEP = 1 << 20

/**
 * Begins a crash dump: with its final header where the ranges are known ahead, else with room for a bitmap.
 * @throws {ToolError} when they aren't, and the output can't be written again; when no dump holds the memory
 */
export async function beginDump(
  log: Log,
  output: Output,
  evidence: Evidence,
  announced: readonly Run[] | undefined,
): Promise<ImageWriter> {
  const { stream } = evidence
  refuseUnfit(output, evidence, announced)
  const template = templateOf(evidence.facts)
  const pages = announced && wholePages(announced)
  const last = pages?.at(-1)
  const end = last ? last.start + last.length : announcedSize(stream) || UNTOLD_END
  const shape = shapeOrRefuse(() => dumpShape(evidence.facts, template, pages, end))
  tellWhatItLacks(log, output, evidence, shape, template !== undefined)
  if (announced?.some(({ start, length }) => (start | length) & BigInt(PAGE - 1)))
    log.warn(
      `${output.name} holds whole pages: zeros stand in for the rest of those that are there in part`,
      output.seekable ? `${output.name}.map tells which` : undefined,
    )

  const isFull = shape.type === DUMP_TYPE.FULL
  const settled = isFull || !output.seekable
  const planned = shape.firstPage + lengthOf(pages ?? [])
  const startOf = (at: DumpShape, { facts }: Evidence, runs: readonly Run[], size: bigint, label?: string) =>
    encodeDumpStart({ shape: at, facts, template, runs, size, label })

  output.space.demand(planned)
  await output.write()
  refuseUnlessHeld(output, planned, WAY_OUT)
  // Until it is over it demands more than there is.
  const before = pages ? planned : planned + BigInt(PAGE)
  await output.write(startOf(shape, evidence, isFull || !output.seekable ? (pages ?? []) : [], before))
  if (!isFull && !output.seekable) await writeBitmap(output, shape, pages ?? [])
  const allowed = pages ?? [{ start: 0n, length: end }]
  const writer = crashDumpPages(output, { firstPage: shape.firstPage, allowed, settled })

  return {
    put: writer.put,
    fill: writer.fill,
    release: writer.release,
    get padded() {
      return writer.padded
    },
    async finish(evidence, ranges, complete) {
      await writer.end(complete)
      if (!output.seekable) return ranges
      const { runs, lostFrom } = writer.written()
      const size = shape.firstPage + lengthOf(runs)
      const final = pages ? shape : { ...shape, bitmapBits: bitsFor(endOf(runs)) }
      const start = complete
        ? startOf(final, evidence, runs, size)
        : startOf(final, evidence, runs, max(planned, size + BigInt(PAGE)), labelOf(evidence))
      await output.truncate(size)
      if (!isFull) await patchBitmap(output, final, runs)
      await output.writeAt(0n, start)
      return lostFrom === undefined ? ranges : [...within(ranges, [{ start: 0n, length: lostFrom }])]
    },
  }
}

const lengthOf = (runs: readonly Run[]): bigint => runs.reduce((sum, { length }) => sum + length, 0n)

function endOf(runs: readonly Run[]): bigint {
  const last = runs.at(-1)
  return last ? last.start + last.length : 0n
}

/** For the comment of a stump. */
function labelOf({ outcome }: Evidence): string {
  const why = outcome && outcome.status !== 'complete' ? outcome.status : 'failed'
  return `INCOMPLETE (${why})`
}

function refuseUnfit(output: Output, { stream }: Evidence, announced: readonly Run[] | undefined): void {
  const refuse = (what: string, hint: string) => {
    throw new ToolError(EXIT.data, `${output.name}: ${what}`, { hint })
  }
  if (stream.category === 'memory:virtual')
    refuse('the memory of a process has no physical addresses', 'elf-sink takes it')
  if (stream.ordered === false) refuse('the stream does not come in the order of its addresses', WAY_OUT)
  if (!announced && !output.seekable)
    refuse(
      'the stream does not tell its ranges ahead',
      'a crash dump begins with them: write it to a regular file',
    )
  if (announced && announced.length > MOST_RUNS)
    refuse(
      `${announced.length} ranges are too many for a crash dump`,
      'raw-sink and aff4-sink take any number',
    )
}

function shapeOrRefuse(choose: () => DumpShape): DumpShape {
  try {
    return choose()
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new ToolError(EXIT.data, error.message, { hint: WAY_OUT, cause: error })
  }
}

/** Says what is lost, and who will not open it, unless its header comes from a dump. */
function tellWhatItLacks(
  log: Log,
  { name }: Output,
  { facts }: Evidence,
  { bits }: DumpShape,
  hasHeader: boolean,
): void {
  if (hasHeader) return
  tellLost(log, name, unfitFacts(bits, facts))
  const lacked = lackedByWinDbg(facts)
  if (facts.system !== undefined && facts.system !== 'Windows')
    log.warn(`${name}: no debugger of Windows opens a dump of ${facts.system}`, 'elf-sink writes for others')
  else if (lacked.length > 0)
    log.warn(`${name}: WinDbg needs what is not known: ${factTitles(lacked)}`, 'Volatility reads it without')
}

/** To a pipe: the bitmap, and what is free behind it. */
async function writeBitmap(output: Output, shape: DumpShape, runs: readonly Run[]): Promise<void> {
  for (const [, bytes] of bitmapSteps(shape, runs)) await output.write(bytes)
  const room = Buffer.alloc(STEP)
  while (output.position < shape.firstPage) {
    const left = shape.firstPage - output.position
    await output.write(left < BigInt(STEP) ? room.subarray(0, Number(left)) : room)
  }
}

async function patchBitmap(output: Output, shape: DumpShape, runs: readonly Run[]): Promise<void> {
  const at = BigInt(LAYOUTS[shape.bits].size + SUMMARY_SIZE)
  for (const [offset, bytes] of bitmapSteps(shape, runs))
    if (!isZero(bytes)) await output.writeAt(at + offset, bytes)
}

/** Pieces of the bitmap and their offsets in it; each is overwritten by the next. */
function* bitmapSteps({ bitmapBits }: DumpShape, runs: readonly Run[]): Generator<[bigint, Bytes]> {
  const size = Number(bitmapSize(bitmapBits))
  const room = Buffer.alloc(Math.min(STEP, size))
  let from = 0
  for (let at = 0; at < size; at += STEP) {
    const bytes = room.subarray(0, Math.min(STEP, size - at))
    from = encodeBitmap(runs, bytes, at, from)
    yield [BigInt(at), bytes]
  }
}
