import type { Log } from '../cli/messages.js'
import type { Outcome, Output } from '../cli/output.js'
import type { Context } from '../cli/tool.js'
import { mergeRuns, type Run } from '../formats/address-space.js'
import type { SymbolicContent } from '../formats/aff4/symbolic.js'
import type { Bytes } from '../formats/byte-source.js'
import { FACTS, type FactName, type Facts, factEntries } from '../formats/image/facts.js'
import type { MapBlock } from '../formats/mapfile.js'
import { max } from '../formats/min-max.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { DataFrame, DigestBody, FillFrame, StreamBody } from '../frames/frame.js'
import { announcedRuns, announcedSize } from '../frames/streams.js'
import { createCoverage, wholeMap, within } from './coverage.js'
import { mapBeside } from './map-beside.js'
import { onlyStream, refuseNone } from './one-stream.js'
import { type Receiver, receive } from './receive.js'
import { sinkOutput } from './sink-output.js'
import { gatherFacts, type Origin } from './stream-facts.js'

/** What is known about the stream that an image is written of. */
export interface Evidence {
  readonly stream: StreamBody
  readonly facts: Facts
  readonly origin: Origin
  /** Those that have come. */
  readonly digests: readonly DigestBody[]
  /** What the stream covers so far, and what became of it: `-` could not be read, `?` was never tried. */
  readonly blocks: readonly MapBlock[]
  /** How the input ended, once it has. */
  readonly outcome: Outcome | undefined
}

/** A memory image while its bytes come. Addresses are those of the stream. */
export interface ImageWriter {
  /** The bytes may be views of a batch: any further call waits for them. */
  put(address: bigint, bytes: Bytes): void | Promise<void>
  fill(address: bigint, length: bigint, content: SymbolicContent): void | Promise<void>
  /** Waits until no write holds a view of a batch. */
  release(): void | Promise<void>
  /** It has filled up units, pages for instance, of which only a part came: the map tells which part. */
  readonly padded?: boolean
  /**
   * The stream is over, and whole: writes what is held back, and compares what the stream says of its content.
   * @throws what makes a stump of it: `finish` labels it
   */
  close?(evidence: Evidence): Promise<void>
  /**
   * Waits until all is written, and completes the image: for what came, and labelled as a stump unless `complete`.
   * @param ranges what came, ascending
   * @returns what of it is in the file: after a failed write, not all
   */
  finish(evidence: Evidence, ranges: readonly Run[], complete: boolean): Promise<readonly Run[]>
}

/** Where an image goes: an output, or several files that are one image together. */
export type Target = Pick<Output, 'name' | 'path' | 'seekable' | 'space' | 'finish'>

export interface MemoryFormat<T extends Target = Output> {
  /** The name of the tool. */
  readonly tool: string
  /** The facts that it has a place for, of some streams more than of others. */
  readonly holds: readonly FactName[] | ((evidence: Evidence) => readonly FactName[])
  /** Whether that goes for those that come behind the memory, too. */
  readonly holdsLate?: (output: T) => boolean
  /**
   * Begins an image.
   * @param announced the ranges that will come, ascending; undefined where the stream does not tell ahead
   * @throws {ToolError} where the format cannot hold them, or needs to know them
   */
  begin(output: T, evidence: Evidence, announced: readonly Run[] | undefined): Promise<ImageWriter>
}

/**
 * Runs a sink that writes one stream as an image of a memory: says what the format cannot hold, and lists what could
 * not be read and what never came in a map beside it.
 */
export async function writeMemoryImage(context: Context, format: MemoryFormat) {
  return writeImage(context, sinkOutput(context), format)
}

/** The same for a format that opens its output itself. */
export async function writeImage<T extends Target>(context: Context, output: T, format: MemoryFormat<T>) {
  return receive(context, memoryImage(context, output, format))
}

/** Of units that formats fill up: the largest page. */
const LARGEST_UNIT = 1n << 16n
const alignUp = (end: bigint, unit: bigint): bigint => ((end + unit - 1n) / unit) * unit

function memoryImage<T extends Target>(
  { options, log }: Context,
  output: T,
  format: MemoryFormat<T>,
): Receiver {
  const isTaken = onlyStream(options.values('stream').length > 0)
  const map = mapBeside(output, format.tool, options.flag('truncate'))
  const gathered = gatherFacts()
  const coverage = createCoverage()
  const digests: DigestBody[] = []
  let stream: StreamBody | undefined
  let image: ImageWriter | undefined
  let closed = false
  const known: FactName[] = []

  /** Names the facts that have come since it was asked last and that the output cannot hold. */
  function tell(isHeld: (name: FactName) => boolean): void {
    const fresh = factEntries(gathered.facts).map(([name]) => name)
    const lost = fresh.filter((name) => !known.includes(name) && !isHeld(name))
    known.push(...fresh)
    tellLost(log, output.name, lost)
  }

  const evidenceOf = (stream: StreamBody, outcome?: Outcome): Evidence => ({
    stream,
    facts: gathered.facts,
    origin: gathered.origin,
    digests,
    blocks: coverage.blocks(),
    outcome,
  })

  async function begin(body: StreamBody): Promise<ImageWriter> {
    if (image) return image
    const holds = typeof format.holds === 'function' ? format.holds(evidenceOf(body)) : format.holds
    tell((name) => holds.includes(name))
    image = await format.begin(output, evidenceOf(body), announcedRuns(body))
    return image
  }

  /** Hands a frame on, and notes what it covers once its bytes are on their way. */
  function take(frame: DataFrame | FillFrame, body: StreamBody): void | Promise<void> {
    if (!image) return begin(body).then(() => take(frame, body))
    const writing =
      frame.type === 'data'
        ? image.put(frame.offset, chunkContent(frame, body.chunkSize))
        : image.fill(frame.offset, frame.length, frame.fill === 'byte' ? (frame.value ?? 0) : frame.fill)
    if (writing) return writing.then(() => coverage.add(frame))
    coverage.add(frame)
  }

  return {
    transmission(frame) {
      if (stream) return
      if (frame.type === 'start') gathered.start(frame)
      else if (frame.type === 'meta') gathered.meta(frame)
    },
    open(frame) {
      if (!isTaken(frame)) return undefined
      const { body } = frame
      stream = body
      return {
        data: (frame) => take(frame, body),
        fill: (frame) => take(frame, body),
        meta(frame) {
          gathered.meta(frame)
          return image?.release()
        },
        note: () => image?.release(),
        digest(frame) {
          digests.push(frame.body)
          return image?.release()
        },
        async close(frame) {
          const image = await begin(body)
          if (frame.body.status !== 'complete') return
          await image.close?.(evidenceOf(body))
          closed = true
        },
      }
    },
    async finish(outcome) {
      if (!stream) refuseNone(outcome)
      if (stream && image) {
        const complete = outcome.status === 'complete'
        const ranges = mergeRuns(coverage.blocks())
        const kept = await image.finish(evidenceOf(stream, outcome), ranges, complete && closed)
        const blocks = [...within(coverage.blocks(), kept)]
        const told = !complete || image.padded === true || blocks.some(({ status }) => status !== '+')
        const end = max(announcedSize(stream), coverage.end)
        const whole = wholeMap(blocks, image.padded ? alignUp(end, LARGEST_UNIT) : end)
        if (!format.holdsLate?.(output)) tell(() => false)
        const name = map?.write(
          told ? { blocks: whole, complete, comments: [`Stream: ${stream.name}`] } : undefined,
        )
        const written = complete ? output.name : output.path
        if (name) log.info(`${name} lists what is not in ${written}`)
        else if (told) log.warn(`${written}: no map beside it lists what could not be read`)
      }
      return output.finish(outcome)
    },
  }
}

/** Names the facts that an output cannot hold. */
export function tellLost(log: Log, output: string, lost: readonly FactName[]): void {
  if (lost.length > 0) log.warn(`${output} has no place for: ${factTitles(lost)}`, 'aff4-sink keeps them')
}

/** For people. */
export const factTitles = (names: readonly FactName[]): string =>
  names.map((name) => FACTS[name].title).join(', ')
