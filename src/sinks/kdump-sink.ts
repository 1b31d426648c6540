import { DETERMINISTIC } from '../cli/deterministic.js'
import { EXIT, ToolError } from '../cli/exit.js'
import type { Tool } from '../cli/tool.js'
import { hasZstd } from '../codecs/zstd.js'
import { FACT_NAMES } from '../formats/image/facts.js'
import { beginKdump, PAGE_CODECS, type PageCodec } from './kdump/kdump-writer.js'
import { writeMemoryImage } from './memory-image.js'

const CODECS = Object.keys(PAGE_CODECS) as PageCodec[]

export const tool: Tool = {
  name: 'kdump-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'write one memory stream as a compressed kernel dump, for crash, makedumpfile and drgn',
  options: {
    compress: { value: CODECS.join('|'), help: 'how pages are stored (zlib)' },
    deterministic: DETERMINISTIC,
  },
  operands: [1, 1],
  run(context) {
    const { options, log } = context
    const codec = codecOf(options.value('compress') ?? 'zlib')
    const deterministic = options.flag('deterministic')
    return writeMemoryImage(context, {
      tool: tool.name,
      holds: FACT_NAMES,
      holdsLate: () => true,
      begin: (output, evidence, announced) =>
        beginKdump(output, evidence, announced, { log, codec, deterministic }),
    })
  },
}

function codecOf(name: string): PageCodec {
  const codec = CODECS.find((one) => one === name)
  if (!codec) throw new ToolError(EXIT.usage, `--compress ${name}: not one of ${CODECS.join(', ')}`)
  if (codec === 'zstd' && !hasZstd)
    throw new ToolError(EXIT.usage, `--compress zstd: Node ${process.versions.node} has none`, {
      hint: 'Node 22.15 and later do',
    })
  return codec
}
