import { EXIT, ToolError } from '../cli/exit.js'
import type { Tool } from '../cli/tool.js'
import { tool as kcore } from './read-kcore.js'

const SOURCES: Partial<Record<NodeJS.Platform, Tool>> = { linux: kcore }

export const tool: Tool = {
  name: 'pmem-read',
  role: 'source',
  usage: '',
  summary: "emit this machine's physical memory, by the source that fits",
  options: kcore.options,
  operands: [0, 0],
  async run(context) {
    const source = SOURCES[process.platform]
    if (source) return source.run(context)
    throw new ToolError(EXIT.unavailable, `no source of physical memory is known for ${process.platform}`, {
      hint: 'the memory of a virtual machine can be dumped from its hypervisor',
    })
  },
}
