import { EXIT, ToolError } from '../cli/exit.js'
import { reasonOf } from '../cli/failure.js'
import type { Log } from '../cli/messages.js'
import { showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import { mergeRuns } from '../formats/address-space.js'
import { formatAddress } from '../frames/address.js'
import type { CloseBody, Frame, Frames, NoteBody, StreamBody } from '../frames/frame.js'
import { systemPageSize } from '../platform/linux/page-size.js'
import { readPseudoFile } from '../platform/pseudo-file.js'
import { type Span, spansToFrames } from './address-space-frames.js'
import { imageStream, readMemory } from './image-stream.js'
import { aboutProcess } from './process/about.js'
import { openProcessReader } from './process/reader.js'
import { mappingSpans } from './process/spans.js'
import { MOST_MAPS, openTarget, type Target } from './process/target.js'
import { RESAMPLE_OPTIONS, type Resampling, resamplingOf } from './smear/options.js'
import { openSmear } from './smear.js'

const PROGRAM = 'pmem-read-process'
const MEMORY = 1
const MAPS = 2

export const tool: Tool = {
  name: PROGRAM,
  role: 'source',
  usage: 'PID|self',
  summary: 'emit the memory of one Linux process',
  options: RESAMPLE_OPTIONS,
  operands: [1, 1],
  async run({ operands, options, log, io }) {
    const pid = parsePid(operands[0]!)
    return io.transmit(readProcess(log, pid, resamplingOf({ options, io })))
  },
}

function parsePid(word: string): number {
  if (word === 'self') return process.pid
  if (!/^[1-9][0-9]{0,9}$/.test(word))
    throw new ToolError(EXIT.usage, `${word}: neither the number of a process nor self`)
  return Number(word)
}

/**
 * The memory of a process as frames, which runs on meanwhile, then the list of its mappings.
 * @throws {ToolError} when there is no such process or it may not be read
 */
export async function* readProcess(log: Log, pid: number, resample?: Resampling): Frames {
  const target = await openTarget(pid)
  const { mappings, folder, mem, pagemap } = target
  const reader = openProcessReader(folder, mem, mappings)
  const pageSize = systemPageSize()
  const spans = () => mappingSpans(mappings, pagemap, pageSize)
  try {
    const size = mappings.reduce((sum, { length }) => sum + length, 0n)
    log.verbose(`process ${pid}: ${mappings.length} mappings, ${showSize(size)} of addresses`)
    const turtle = aboutProcess(pid, folder, pageSize)
    yield [streamFrame(target), { type: 'meta', stream: MEMORY, time: 0n, turtle }]
    if (pagemap === undefined)
      yield [noteFrame('warning', 'without pagemap, untouched memory is read as well')]
    const smear = openSmear({
      resample,
      live: false,
      runs: () => toRead(spans()),
      ranges: mergeRuns(mappings),
      pageSize: Number(pageSize),
      log,
    })
    const tally = yield* spansToFrames({
      stream: MEMORY,
      spans: spans(),
      read: reader.read,
      pageSize: Number(pageSize),
      program: PROGRAM,
      seen: smear?.seen,
    })
    if (tally.read === 0n)
      throw new ToolError(EXIT.io, `process ${pid}: not one page could be read: ${reasonOf(tally.failure)}`)
    if (tally.unreadable > 0n) log.warn(`process ${pid}: ${showSize(tally.unreadable)} could not be read`)
    yield (await smear?.measure(reader.read, MEMORY)) ?? []
    const after = mapsAgain(target)
    const half = after === undefined && tally.unreadable > 0n
    const body: CloseBody = {
      status: half ? 'failed' : 'complete',
      ...(half && { error: 'the process ended while it was read' }),
      bytes: Number(tally.covered),
    }
    const change = howMapsChanged(target.maps, after)
    yield [...(change ? [noteFrame('info', change)] : []), { type: 'close', stream: MEMORY, time: 0n, body }]
    const maps = {
      name: `process/${pid}/maps`,
      path: `${folder}/maps`,
      size: BigInt(target.maps.length),
      read: readMemory(target.maps),
    }
    yield* imageStream({ ...maps, stream: MAPS, program: PROGRAM })
  } finally {
    reader.close()
    target.close()
  }
}

function* toRead(spans: Iterable<Span>): Generator<Span> {
  for (const span of spans) if (!span.fill) yield span
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
function mapsAgain({ folder }: Target): Uint8Array | undefined {
  try {
    const { bytes } = readPseudoFile(`${folder}/maps`, MOST_MAPS)
    return bytes.length > 0 ? bytes : undefined
  } catch {
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

function noteFrame(level: NoteBody['level'], message: string): Frame {
  return { type: 'note', stream: MEMORY, time: 0n, body: { level, program: PROGRAM, message } }
}
