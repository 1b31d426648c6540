import { takesBars } from '../cli/messages.js'
import { logProgress, showProgress } from '../cli/progress.js'
import type { Tool } from '../cli/tool.js'

/** Lines stay: in a log of hours they are few. */
const LINE_EVERY_MS = 10_000

/** pmem-progress: passes everything on, and says how far it is. */
export const tool: Tool = {
  name: 'pmem-progress',
  role: 'transform',
  usage: '',
  summary: 'show on standard error how far a transfer is',
  options: {},
  operands: [0, 0],
  run({ options, io, log }) {
    const shown = takesBars() || options.flag('log')
    return io.send(shown ? showProgress(io.frames(), log) : logProgress(io.frames(), log, LINE_EVERY_MS))
  },
}
