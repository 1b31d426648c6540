import type { Tool } from '../cli/tool.js'
import { beginAvml } from './avml-records.js'
import { writeMemoryImage } from './memory-image.js'

export const tool: Tool = {
  name: 'avml-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'write one memory stream as a compressed AVML image, for AVML and Volatility 3',
  options: {
    'zero-elide': { help: 'leave out records that are all zeros, as AVML does' },
  },
  operands: [1, 1],
  run: (context) => {
    const settings = { elideZeros: context.options.flag('zero-elide'), log: context.log }
    return writeMemoryImage(context, {
      tool: tool.name,
      holds: [],
      begin: (output, evidence, announced) => beginAvml(output, evidence, announced, settings),
    })
  },
}
