import { EXIT, ToolError } from '../cli/exit.js'
import { parseRange } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import { type Run, uniteRuns } from '../formats/address-space.js'
import type { StreamBody } from '../frames/frame.js'
import { hasBytes } from '../frames/streams.js'
import { missingFrom } from './select/missing-from.js'
import { type Choice, selectStreams } from './select/select-streams.js'

/** pmem-select: only some streams, and only some ranges of them. */
export const tool: Tool = {
  name: 'pmem-select',
  role: 'transform',
  usage: '',
  summary: 'pass on only some streams, or ranges of them',
  options: {
    stream: { value: 'NAME', repeat: true, help: 'only this stream' },
    range: {
      value: 'RANGE',
      repeat: true,
      help: 'only these addresses: 0x1000-0x9f000 or 0x1000+0x9e000',
    },
    'missing-from': { value: 'VOLUME', help: 'only what this incomplete AFF4 volume lacks' },
  },
  operands: [0, 0],
  async run({ options, io }) {
    const wanted = options.values('stream')
    const earlier = options.value('missing-from')
    const ranges = uniteRuns(options.values('range').map(parseRange))
    if (earlier !== undefined) {
      if (wanted.length + ranges.length > 0)
        throw new ToolError(EXIT.usage, '--missing-from does not go with --stream or --range')
      const selection = { wanted, ...(await missingFrom(earlier)), program: tool.name }
      return io.send(selectStreams(io.frames(), selection))
    }
    if (wanted.length + ranges.length === 0)
      throw new ToolError(EXIT.usage, 'nothing says what is selected: --stream, --range or --missing-from')
    return io.send(selectStreams(io.frames(), { wanted, choose: inRanges(ranges), program: tool.name }))
  },
}

/** Ranges are of streams that have addresses; without ranges each is taken whole. */
const inRanges =
  (ranges: readonly Run[]) =>
  (body: StreamBody): Choice => {
    if (ranges.length === 0 || !hasBytes(body)) return 'everything'
    return { keep: ranges, rest: body.kind === 'image' ? 'unknown' : 'absent' }
  }
