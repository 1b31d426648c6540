import { EXIT, type ExitCode } from '../cli/exit.js'
import { toJson } from '../cli/json.js'
import { printable } from '../cli/messages.js'
import type { Tool } from '../cli/tool.js'
import { formatAddress } from '../frames/address.js'
import type { Frame } from '../frames/frame.js'

/** pmem-frames: ends a pipe and lists what flowed through it, a line a frame. */
export const tool: Tool = {
  name: 'pmem-frames',
  role: 'report',
  usage: '',
  summary: 'list the frames of standard input',
  options: { json: { help: 'a JSON object a line' } },
  operands: [0, 0],
  async run({ options, io }) {
    const show = options.flag('json') ? asJson : asColumns
    let exit: ExitCode = EXIT.complete
    for await (const batch of io.frames()) {
      for (const frame of batch)
        if (frame.type === 'end' && frame.body.status !== 'complete') exit = EXIT.incomplete
      await io.print(batch.map((frame) => `${show(frame)}\n`).join(''))
    }
    return exit
  },
}

function asColumns(frame: Frame): string {
  const name = frame.type.toUpperCase().padEnd(6)
  switch (frame.type) {
    case 'data': {
      const stored = frame.codec === 'none' ? '' : ` ${frame.codec} ${frame.payload.length}`
      return `${name} ${rangeOf(frame)}${stored}${frame.padded ? ' padded' : ''}`
    }
    case 'fill':
      return `${name} ${rangeOf(frame)} ${frame.fill}${frame.value === undefined ? '' : ` 0x${frame.value.toString(16)}`}`
    case 'meta':
      return `${name} ${frame.stream} ${printable(frame.turtle)}`
    default:
      return `${name} ${frame.stream} ${printable(JSON.stringify(frame.body))}`
  }
}

/** `1 0x1000-0x2000`: stream and addresses, end exclusive. */
const rangeOf = (frame: { stream: number; offset: bigint; length: bigint }) =>
  `${frame.stream} ${formatAddress(frame.offset)}-${formatAddress(frame.offset + frame.length)}`

function asJson(frame: Frame): string {
  const { raw: _, ...facts } = frame
  return toJson(
    facts.type === 'data' ? { ...facts, payload: undefined, stored: facts.payload.length } : facts,
  )
}
