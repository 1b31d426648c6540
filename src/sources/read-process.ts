import type { Tool } from '../cli/tool.js'
import { LOCAL_FILES } from '../platform/system-files.js'
import { parsePid, processMemory } from './process/memory.js'
import { RESAMPLE_OPTIONS, resamplingOf } from './smear/options.js'

export const tool: Tool = {
  name: 'pmem-read-process',
  role: 'source',
  usage: 'PID|self',
  summary: 'emit the memory of one Linux process',
  options: RESAMPLE_OPTIONS,
  operands: [1, 1],
  async run({ operands, options, log, io }) {
    const [word] = operands as [string]
    return io.transmit(
      processMemory(LOCAL_FILES, log, {
        program: tool.name,
        pid: word === 'self' ? process.pid : parsePid(word, 'neither the number of a process nor self'),
        resample: resamplingOf({ options, io }),
      }),
    )
  },
}
