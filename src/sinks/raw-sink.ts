import { EXIT, ToolError } from '../cli/exit.js'
import type { Output } from '../cli/output.js'
import { showSize } from '../cli/sizes.js'
import type { Context, Tool } from '../cli/tool.js'
import { layoutComments } from '../formats/image/raw-map.js'
import type { MapBlock } from '../formats/mapfile.js'
import { max } from '../formats/min-max.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { DataFrame, FillFrame, StreamFrame } from '../frames/frame.js'
import { announcedBytes, announcedRuns, announcedSize } from '../frames/streams.js'
import { MOST_FILE_SIZE } from '../platform/file-size.js'
import { createCoverage, statusOf, wholeMap, within } from './coverage.js'
import { refuseUnlessHeld, tooLarge } from './file-size.js'
import { mapBeside } from './map-beside.js'
import { onlyStream, refuseNone } from './one-stream.js'
import { joined, MOST_PADDING, type Placement, padded, sparse, tooMuchPadding } from './raw-placement.js'
import { type Receiver, receive, type StreamReceiver } from './receive.js'
import { sinkOutput } from './sink-output.js'

const HINT = '--holes skip joins the ranges and writes where they belong to OUT.map'
const HOLES = ['write', 'seek', 'skip'] as const
const FILLS = ['text', 'zero'] as const

interface Settings {
  readonly holes: (typeof HOLES)[number]
  readonly fill: (typeof FILLS)[number]
}

export const tool: Tool = {
  name: 'raw-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'write one stream as a raw image, each byte at the offset that is its address',
  options: {
    holes: {
      value: HOLES.join('|'),
      help: 'absent addresses: write zeros, leave holes in the file, or join the ranges (OUT.map tells them)',
    },
    fill: {
      value: FILLS.join('|'),
      help: 'unreadable and unknown ranges: the text that AFF4 has for them, or zeros',
    },
  },
  operands: [1, 1],
  run: async (context) => {
    const { options } = context
    const settings = {
      holes: oneOf('holes', HOLES, options.value('holes')),
      fill: oneOf('fill', FILLS, options.value('fill')),
    }
    const output = sinkOutput(context)
    if (settings.holes !== 'write' && !output.seekable)
      throw new ToolError(EXIT.usage, `${output.name}: --holes ${settings.holes} needs a regular file`)
    return receive(context, rawImage(context, output, settings))
  },
}

function oneOf<T extends string>(name: string, allowed: readonly [T, ...T[]], value: string | undefined): T {
  const found = value === undefined ? allowed[0] : allowed.find((word) => word === value)
  if (found === undefined)
    throw new ToolError(EXIT.usage, `--${name} ${value}: not one of ${allowed.join(', ')}`)
  return found
}

function rawImage({ options, log }: Context, output: Output, settings: Settings): Receiver {
  const isTaken = onlyStream(options.values('stream').length > 0)
  const map = mapBeside(output, tool.name, options.flag('truncate'))
  let image: Image | undefined

  return {
    async open(frame) {
      if (!isTaken(frame)) return undefined
      image = await openImage(frame, output, settings)
      return image
    },
    async finish(outcome) {
      if (!image) refuseNone(outcome)
      const complete = outcome.status === 'complete'
      const blocks = await image?.finish()
      const told =
        blocks && (!complete || settings.holes === 'skip' || blocks.some(({ status }) => status !== '+'))
      const layout = {
        joined: settings.holes === 'skip',
        category: image?.category,
        neverTried: image?.neverTried() ?? [],
      }
      const comments = [`Stream: ${image?.name}`, ...layoutComments(layout)]
      const mapName = map?.write(told ? { blocks, complete, comments } : undefined)
      if (told) {
        const where = mapName ? `${mapName} lists them` : 'they are not recorded'
        log.info(`${complete ? output.name : output.path}: ${summary(blocks)}: ${where}`)
      }
      if (image?.digestsEnded)
        log.warn('the digests of the stream no longer apply: zeros stand where the stream has text')
      return output.finish(outcome)
    },
  }
}

interface Image extends StreamReceiver {
  readonly name: string
  readonly category: string | undefined
  /** The ranges that were announced as unknown. */
  neverTried(): readonly MapBlock[]
  /** What was written differs from what the digests of the stream are of. */
  readonly digestsEnded: boolean
  /** The map of what is in the output, once all of it is written. */
  finish(): Promise<MapBlock[]>
}

async function openImage({ body }: StreamFrame, output: Output, { holes, fill }: Settings): Promise<Image> {
  const { chunkSize } = body
  const announced = announcedRuns(body)
  const size = announcedSize(body)
  if (body.ordered === false && !(output.seekable && holes !== 'skip'))
    throw new ToolError(EXIT.data, `${body.name}: its ranges come in no order`, {
      hint: 'a regular file without --holes skip takes them',
    })
  if (holes === 'write' && announced) {
    const absent = size - announced.reduce((total, { length }) => total + length, 0n)
    if (absent > MOST_PADDING) throw tooMuchPadding(output.name, absent)
  }
  output.space.demand(holes === 'write' ? size : announcedBytes(body))
  await output.write()
  if (holes !== 'skip') refuseUnlessHeld(output, size, HINT)

  const coverage = createCoverage()
  const placement = placementOf(output, holes, body.ordered !== false)
  let closed = false
  let altered = false
  let digests = false

  /** Notes what a frame covers once its bytes are on their way. */
  function covering(frame: DataFrame | FillFrame, writing: void | Promise<void>): void | Promise<void> {
    if (writing) return writing.then(() => coverage.add(frame))
    coverage.add(frame)
  }
  function refuseFar({ offset, length }: DataFrame | FillFrame): void {
    if (holes !== 'skip' && offset + length > MOST_FILE_SIZE)
      throw tooLarge(output.name, offset + length, HINT)
  }

  return {
    name: body.name,
    category: body.category,
    neverTried: () => coverage.blocks().filter(({ status }) => status === '?'),
    data(frame) {
      refuseFar(frame)
      return covering(frame, placement.put(frame.offset, chunkContent(frame, chunkSize)))
    },
    fill(frame) {
      refuseFar(frame)
      const known = statusOf(frame) === '+'
      if (!known && holes === 'skip') return covering(frame, placement.release())
      if (!known && fill === 'zero') altered = true
      const content =
        frame.fill === 'byte' ? (frame.value ?? 0) : known || fill === 'zero' ? 'zero' : frame.fill
      return covering(frame, placement.fill(frame.offset, frame.length, content))
    },
    meta: placement.release,
    note: placement.release,
    digest() {
      digests = true
      return placement.release()
    },
    async close(frame) {
      closed = true
      const complete = frame.body.status === 'complete'
      await placement.end(complete ? max(size, coverage.end) : coverage.end)
    },
    get digestsEnded() {
      return altered && digests
    },
    async finish() {
      if (!closed) await placement.end(coverage.end)
      const blocks = coverage.blocks()
      const written = holes === 'skip' ? blocks.filter(({ status }) => status === '+') : blocks
      const lostFrom = placement.lostFrom(written)
      const kept = lostFrom === undefined ? blocks : within(blocks, [{ start: 0n, length: lostFrom }])
      return wholeMap(kept, max(size, coverage.end))
    },
  }
}

function placementOf(output: Output, holes: Settings['holes'], ordered: boolean): Placement {
  if (holes === 'skip') return joined(output)
  return holes === 'write' && ordered ? padded(output) : sparse(output)
}

function summary(blocks: readonly MapBlock[]): string {
  const sum = (status: string) =>
    blocks.reduce((total, block) => (block.status === status ? total + block.length : total), 0n)
  return `${showSize(sum('-'))} unreadable, ${showSize(sum('?'))} absent or never tried`
}
