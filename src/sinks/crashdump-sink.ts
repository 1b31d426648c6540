import type { Tool } from '../cli/tool.js'
import { HEADER_FACTS } from '../formats/crash-dump/dump-facts.js'
import { beginDump } from './crash-dump.js'
import { writeMemoryImage } from './memory-image.js'

export const tool: Tool = {
  name: 'crashdump-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'write one memory stream as a crash dump of Windows, for WinDbg, MemProcFS and Volatility',
  options: {},
  operands: [1, 1],
  run: (context) =>
    writeMemoryImage(context, {
      tool: tool.name,
      holds: HEADER_FACTS,
      begin: (output, evidence, announced) => beginDump(context.log, output, evidence, announced),
    }),
}
