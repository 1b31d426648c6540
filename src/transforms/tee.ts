import path from 'node:path'
import type { Options } from '../cli/arguments.js'
import { EXIT, ToolError } from '../cli/exit.js'
import { relay } from '../cli/labelled.js'
import { onAbort } from '../cli/signals.js'
import type { Tool } from '../cli/tool.js'
import { createEncoder } from '../frames/encode.js'
import { startCommand } from './tee/command-branch.js'
import { distribute } from './tee/distribute.js'
import { openFileBranch } from './tee/file-branch.js'

/** A blank, or what a shell takes for more than a part of a word. */
const OF_SHELL = /[\s|&;<>()$`"'*?[]/

/** So many batches may be under way to a branch that is slower than the others. */
const BATCHES = 4

export const tool: Tool = {
  name: 'pmem-tee',
  role: 'transform',
  usage: "FILE|'COMMAND'…",
  summary: 'send the same frames to several sinks, each failing alone',
  options: {
    truncate: { short: 't', help: 'replace a FILE that is there' },
    'drop-slow': { value: 'SECONDS', help: 'cut off a command for which the others have waited so long' },
  },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, io, log }) {
    const patience = patienceOf(options)
    const targets = operands.filter((operand) => !OF_SHELL.test(operand))
    refuseTwice(targets)
    // What is refused is so before anything runs.
    const files = new Map(targets.map((file) => [file, openFileBranch(file, options.flag('truncate'))]))
    const branches = operands.map((operand) => files.get(operand) ?? startCommand(operand))
    onAbort(io.ended, () => {
      for (const branch of branches) branch.kill?.('SIGTERM')
    })
    const encoder = createEncoder(options.flag('crc'))
    return distribute(relay(io.frames(BATCHES)), branches, { encoder, log, patience, most: BATCHES - 1 })
  },
}

function patienceOf(options: Options): number | undefined {
  const text = options.value('drop-slow')
  if (text === undefined) return undefined
  if (!/^[1-9][0-9]{0,5}$/.test(text))
    throw new ToolError(EXIT.usage, `--drop-slow ${text}: not a number of seconds`)
  return Number(text) * 1000
}

function refuseTwice(files: readonly string[]): void {
  const names = files.map((file) => path.resolve(file))
  const twice = files.find((_, index) => names.indexOf(names[index]!) !== index)
  if (twice !== undefined) throw new ToolError(EXIT.usage, `${twice}: given twice`)
}
