import type { Tool } from '../cli/tool.js'
import { LOCAL_FILES } from '../platform/system-files.js'
import { KCORE_OPTIONS, kcoreMemory } from './kcore/memory.js'
import { RESAMPLE_OPTIONS, resamplingOf } from './smear/options.js'

export const tool: Tool = {
  name: 'pmem-read-kcore',
  role: 'source',
  usage: '',
  summary: 'emit the physical memory of this Linux machine, read through /proc/kcore',
  options: { ...KCORE_OPTIONS, ...RESAMPLE_OPTIONS },
  operands: [0, 0],
  async run({ options, log, io }) {
    return io.transmit(
      kcoreMemory(LOCAL_FILES, log, {
        program: tool.name,
        kcore: options.value('kcore'),
        iomem: options.value('iomem'),
        collect: !options.flag('no-collect'),
        resample: resamplingOf({ options, io }),
        batchesAlive: io.batchesAlive,
        sampling: io.sampling,
      }),
    )
  },
}
