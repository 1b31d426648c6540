import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import { showSize } from '../../cli/sizes.js'
import { mergeRuns } from '../../formats/address-space.js'
import { isDamage } from '../../formats/format-error.js'
import { formatAddress } from '../../frames/address.js'
import type { CloseBody, Frame, Frames, NoteBody, StreamBody } from '../../frames/frame.js'
import { systemPageSize } from '../../platform/linux/page-size.js'
import type { SystemFiles } from '../../platform/system-files.js'
import { type Span, spansToFrames } from '../address-space-frames.js'
import { announceSpans } from '../announce-spans.js'
import { imageStream, readMemory } from '../image-stream.js'
import type { Resampling } from '../smear/options.js'
import { openSmear } from '../smear.js'
import { aboutProcess } from './about.js'
import { openProcessReader } from './reader.js'
import { mappingSpans } from './spans.js'
import { MOST_MAPS, openTarget, type Target } from './target.js'

const MEMORY = 1
const MAPS = 2

/** Where an address of a process is an offset. */
export const memoryFile = (pid: number): string => `/proc/${pid}/mem`

export interface ProcessOptions {
  /** Named in notes. */
  readonly program: string
  readonly pid: number
  readonly resample?: Resampling | undefined
}

/** @throws {ToolError} usage, when a word is no number of a process */
export function parsePid(word: string, why: string): number {
  if (!/^[1-9][0-9]{0,9}$/.test(word)) throw new ToolError(EXIT.usage, `${word}: ${why}`)
  return Number(word)
}

/**
 * The memory of a process as frames, which runs on meanwhile, then the list of its mappings.
 * @param files of the machine that it runs on
 * @throws {ToolError} when there is no such process or it may not be read
 */
export async function* processMemory(files: SystemFiles, log: Log, options: ProcessOptions): Frames {
  const { program, pid, resample } = options
  const target = await openTarget(files, pid)
  const { mappings, folder, mem, pagemap } = target
  const reader = openProcessReader(files, folder, mem, mappings)
  const pageSize = await systemPageSize(files)
  const spans = () => mappingSpans(mappings, pagemap, pageSize)
  try {
    const size = mappings.reduce((sum, { length }) => sum + length, 0n)
    log.verbose(`process ${pid}: ${mappings.length} mappings, ${showSize(size)} of addresses`)
    const turtle = await aboutProcess(files, pid, folder, pageSize)
    yield [streamFrame(target), { type: 'meta', stream: MEMORY, time: 0n, turtle }]
    if (pagemap === undefined)
      yield [noteFrame(program, 'warning', 'without pagemap, untouched memory is read as well')]
    const smear = await openSmear({
      resample,
      live: false,
      runs: () => toRead(spans()),
      ranges: mergeRuns(mappings),
      pageSize: Number(pageSize),
      log,
    })
    const tally = yield* spansToFrames({
      stream: MEMORY,
      spans: announceSpans(spans(), reader, (address) => address),
      read: reader.read,
      pageSize: Number(pageSize),
      program,
      seen: smear?.seen,
    })
    if (tally.read === 0n)
      throw new ToolError(EXIT.io, `process ${pid}: not one page could be read: ${reasonOf(tally.failure)}`)
    if (tally.unreadable > 0n) log.warn(`process ${pid}: ${showSize(tally.unreadable)} could not be read`)
    yield (await smear?.measure(reader.read, MEMORY)) ?? []
    const after = await mapsAgain(files, target)
    const half = after === undefined && tally.unreadable > 0n
    const body: CloseBody = {
      status: half ? 'failed' : 'complete',
      ...(half && { error: 'the process ended while it was read' }),
      bytes: Number(tally.covered),
    }
    const change = howMapsChanged(target.maps, after)
    yield [
      ...(change ? [noteFrame(program, 'info', change)] : []),
      { type: 'close', stream: MEMORY, time: 0n, body },
    ]
    const maps = {
      name: `process/${pid}/maps`,
      path: `${folder}/maps`,
      size: BigInt(target.maps.length),
      read: readMemory(target.maps),
    }
    yield* imageStream({ ...maps, stream: MAPS, program })
  } finally {
    reader.close()
    target.close()
  }
}

async function* toRead(spans: AsyncIterable<Span>): AsyncGenerator<Span> {
  for await (const span of spans) if (!span.fill) yield span
}

function streamFrame({ pid, mappings }: Target): Frame {
  const last = mappings.at(-1)!
  const body: StreamBody = {
    name: `process/${pid}/memory`,
    kind: 'map',
    category: 'memory:virtual',
    size: formatAddress(last.start + last.length),
    ranges: mergeRuns(mappings).map(({ start, length }) => [formatAddress(start), formatAddress(length)]),
  }
  return { type: 'stream', stream: MEMORY, time: 0n, body }
}

/** Undefined when the process has ended. */
async function mapsAgain(files: SystemFiles, { folder }: Target): Promise<Uint8Array | undefined> {
  try {
    const { bytes } = await files.readWhole(`${folder}/maps`, MOST_MAPS)
    return bytes.length > 0 ? bytes : undefined
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}

/** The process runs on: what it maps and unmaps meanwhile is not, or only partly, in the memory. */
function howMapsChanged(before: Uint8Array, after: Uint8Array | undefined): string | undefined {
  if (!after) return 'the process ended while it was read'
  const lines = (bytes: Uint8Array) =>
    new Set(Buffer.from(bytes).toString('latin1').split('\n').filter(Boolean))
  const [old, fresh] = [lines(before), lines(after)]
  const gone = [...old].filter((line) => !fresh.has(line)).length
  const added = [...fresh].filter((line) => !old.has(line)).length
  if (gone + added === 0) return undefined
  return `mappings changed while the memory was read: ${gone} of ${old.size} gone, ${added} new`
}

function noteFrame(program: string, level: NoteBody['level'], message: string): Frame {
  return { type: 'note', stream: MEMORY, time: 0n, body: { level, program, message } }
}
