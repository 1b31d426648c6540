import { EXIT, ToolError } from '../cli/exit.js'
import type { Tool } from '../cli/tool.js'
import { tool as kcore } from './read-kcore.js'
import { tool as osxpmem } from './read-osxpmem.js'
import { tool as winpmem } from './read-winpmem.js'

const SOURCES: Partial<Record<NodeJS.Platform, Tool>> = { linux: kcore, darwin: osxpmem, win32: winpmem }

export const tool: Tool = {
  name: 'pmem-read',
  role: 'source',
  usage: '',
  summary: "emit this machine's physical memory, by the source that fits",
  options: {
    ...winpmem.options,
    ...osxpmem.options,
    ...kcore.options,
    'no-collect': { help: 'leave out the files that help to analyse the memory' },
  },
  operands: [0, 0],
  async run(context) {
    const source = SOURCES[process.platform]
    if (!source)
      throw new ToolError(EXIT.unavailable, `no source of physical memory is known for ${process.platform}`, {
        hint: 'the memory of a virtual machine can be dumped from its hypervisor',
      })
    const foreign = Object.keys(tool.options).find(
      (name) => !(name in source.options) && context.options.flag(name),
    )
    if (foreign !== undefined)
      throw new ToolError(
        EXIT.usage,
        `--${foreign}: not an option of ${source.name}, which reads this system`,
      )
    return source.run(context)
  },
}
