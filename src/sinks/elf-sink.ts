import { type Output, openOutput } from '../cli/output.js'
import type { Context, Tool } from '../cli/tool.js'
import { mergeRuns } from '../formats/address-space.js'
import { max } from '../formats/min-max.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { DataFrame, FillFrame, StreamBody } from '../frames/frame.js'
import { announcedRuns, announcedSize } from '../frames/streams.js'
import { createCoverage, wholeMap, within } from './coverage.js'
import { beginCore, type CoreWriter } from './elf-core.js'
import { gatherFacts } from './elf-facts.js'
import { mapBeside } from './map-beside.js'
import { onlyStream, refuseNone } from './one-stream.js'
import { type Receiver, receive } from './receive.js'

export const tool: Tool = {
  name: 'elf-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'write one memory stream as an ELF core, for crash, makedumpfile, gdb and Volatility',
  options: {},
  operands: [1, 1],
  run: async (context) => {
    const output = openOutput(context.operands[0]!, context.options.flag('truncate'))
    return receive(context, elfCore(context, output))
  },
}

function elfCore({ options, log }: Context, output: Output): Receiver {
  const isTaken = onlyStream(options.values('stream').length > 0)
  const map = mapBeside(output, tool.name, options.flag('truncate'))
  const facts = gatherFacts()
  const coverage = createCoverage()
  let stream: StreamBody | undefined
  let core: CoreWriter | undefined
  let closed = false

  const begin = async (body: StreamBody) =>
    (core ??= await beginCore(output, facts.describe(body), announcedRuns(body)))

  /** Hands a frame on, and notes what it covers once its bytes are on their way. */
  function take(frame: DataFrame | FillFrame, body: StreamBody): void | Promise<void> {
    if (!core) return begin(body).then(() => take(frame, body))
    const writing =
      frame.type === 'data'
        ? core.put(frame.offset, chunkContent(frame, body.chunkSize))
        : core.fill(frame.offset, frame.length, frame.fill === 'byte' ? (frame.value ?? 0) : frame.fill)
    if (writing) return writing.then(() => coverage.add(frame))
    coverage.add(frame)
  }

  return {
    transmission(frame) {
      if (stream) return
      if (frame.type === 'start') facts.start(frame)
      else if (frame.type === 'meta') facts.meta(frame)
    },
    open(frame) {
      if (!isTaken(frame)) return undefined
      const { body } = frame
      stream = body
      return {
        data: (frame) => take(frame, body),
        fill: (frame) => take(frame, body),
        meta(frame) {
          facts.meta(frame)
          return core?.release()
        },
        note: () => core?.release(),
        digest: () => core?.release(),
        async close(frame) {
          await begin(body)
          closed = frame.body.status === 'complete'
        },
      }
    },
    async finish(outcome) {
      if (!stream) refuseNone(outcome)
      if (stream && core) {
        const complete = outcome.status === 'complete'
        const ranges = mergeRuns(coverage.blocks())
        const kept = await core.finish(facts.describe(stream, outcome), ranges, complete && closed)
        const blocks = [...within(coverage.blocks(), kept)]
        const told = !complete || blocks.some(({ status }) => status !== '+')
        const size = announcedSize(stream)
        const whole = wholeMap(blocks, max(size, coverage.end))
        const name = map?.write(
          told ? { blocks: whole, complete, comments: [`Stream: ${stream.name}`] } : undefined,
        )
        const written = complete ? output.name : output.path
        if (name) log.info(`${name} lists what is not in ${written}`)
        else if (told) log.warn(`${written}: what could not be read is not recorded beside it`)
      }
      return output.finish(outcome)
    },
  }
}
