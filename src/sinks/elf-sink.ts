import { DETERMINISTIC } from '../cli/deterministic.js'
import type { Tool } from '../cli/tool.js'
import { FACT_NAMES } from '../formats/image/facts.js'
import { beginCore } from './elf-core.js'
import { writeMemoryImage } from './memory-image.js'

export const tool: Tool = {
  name: 'elf-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'write one memory stream as an ELF core, for crash, makedumpfile, gdb and Volatility',
  options: {
    deterministic: DETERMINISTIC,
  },
  operands: [1, 1],
  run(context) {
    const options = { deterministic: context.options.flag('deterministic'), warn: context.log.warn }
    return writeMemoryImage(context, {
      tool: tool.name,
      holds: FACT_NAMES,
      holdsLate: ({ seekable }) => seekable,
      begin: (output, evidence, announced) => beginCore(output, evidence, announced, options),
    })
  },
}
