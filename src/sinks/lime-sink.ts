import type { Tool } from '../cli/tool.js'
import { beginLime } from './lime-records.js'
import { writeMemoryImage } from './memory-image.js'

export const tool: Tool = {
  name: 'lime-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'write one memory stream as a LiME image, for Volatility, Rekall and MemProcFS',
  options: {},
  operands: [1, 1],
  run: (context) =>
    writeMemoryImage(context, {
      tool: tool.name,
      holds: [],
      begin: (output, evidence, announced) => beginLime(output, evidence, announced, context.log),
    }),
}
