import fs from 'node:fs'
import { devNull } from 'node:os'
import path from 'node:path'
import { isatty } from 'node:tty'
import { inspect } from 'node:util'
import { onNotice } from '../codecs/notices.js'
import { openPipeOutput } from '../frames/pipe-output.js'
import { type Arguments, type OptionTable, parseArguments } from './arguments.js'
import { EXIT, type ExitCode, ToolError } from './exit.js'
import { asToolError, isClosedPipe } from './failure.js'
import { createIo } from './io.js'
import { createLog, type Log } from './messages.js'
import { watchSignals } from './signals.js'
import { SPACE_OPTIONS } from './space.js'
import type { Context, Tool } from './tool.js'
import { VERSION } from './version.js'

const COMMON: OptionTable = {
  help: { short: 'h', help: 'show this help' },
  version: { help: 'show the version' },
  verbose: { short: 'v', help: 'say what is done' },
  debug: { short: 'd', help: 'say more' },
  quiet: { short: 'q', help: 'only errors' },
  log: { value: 'json', help: 'messages and progress as JSON lines' },
}
const OF_ROLE: Record<Tool['role'], OptionTable> = {
  source: { crc: { help: 'give every payload a CRC-32' } },
  transform: { crc: { help: 'give every payload a CRC-32' } },
  sink: {
    truncate: { short: 't', help: 'replace what is there' },
    stream: { value: 'NAME', repeat: true, help: 'take only this stream' },
    expect: { value: 'N', help: 'demand N transmissions' },
    ...SPACE_OPTIONS,
  },
  report: {},
  imager: { truncate: { short: 't', help: 'replace what is there' }, ...SPACE_OPTIONS },
}

/**
 * Reads the words that follow a tool's name.
 * @throws {ToolError} usage
 */
export function parseWords(tool: Tool, words: readonly string[]): Arguments {
  const given = parseArguments(words, tableOf(tool))
  const { options, operands } = given
  if (!options.flag('help') && !options.flag('version')) countOperands(operands, tool.operands)
  return given
}

/** All options that a tool takes: its own and those it has in common with others. */
export const tableOf = (tool: Tool): OptionTable => ({ ...COMMON, ...OF_ROLE[tool.role], ...tool.options })

/** Runs the tool of a module as this process. Launchers in bin/ call it. */
export async function launch(module: Promise<{ tool: Tool }>): Promise<never> {
  const name = path.basename(process.argv[1] ?? 'pmem')
  const defect = (error: unknown) => process.exit(report(createLog(name, {}), error))
  process.on('uncaughtException', defect)
  // A promise that nobody settles would end the process as if all were well.
  process.on('beforeExit', () => defect(new Error('nothing left to wait for')))
  process.on('exit', leaveTerminal)
  const { tool } = await module
  process.exit(await runTool(tool, process.argv.slice(2)))
}

/**
 * On Unix, Node ends by setting its terminals to what they were at its start: typing would show again while another
 * tool of the pipeline asks for a password. It leaves alone what is another file by then.
 */
function leaveTerminal(): void {
  if (process.platform === 'win32') return
  for (const fd of [0, 1, 2]) {
    if (!isatty(fd)) continue
    fs.closeSync(fd)
    // Takes the number that has just become free: koffi still uses it, and hangs where it is closed.
    fs.openSync(devNull, 'r+')
  }
}

async function runTool(tool: Tool, words: readonly string[]): Promise<ExitCode> {
  let log = createLog(tool.name, {})
  try {
    const { options, operands } = parseWords(tool, words)
    if (options.flag('help')) return await show(helpText(tool, tableOf(tool)))
    if (options.flag('version')) return await show(`${tool.name} ${VERSION}\n`)
    const format = options.value('log')
    if (format !== undefined && format !== 'json')
      throw new ToolError(EXIT.usage, `--log ${format}: only json is known`)
    log = createLog(tool.name, {
      quiet: options.flag('quiet'),
      verbose: options.flag('verbose'),
      debug: options.flag('debug'),
      json: format === 'json',
    })
    onNotice(({ message, hint }) => log.warn(message, hint))
    return await run(tool, { operands, options, log }, words)
  } catch (error) {
    log.clearProgress()
    // For a sink it is a failure, which its output has named by now.
    if (isClosedPipe(error)) return EXIT.pipe
    return report(log, error, usageLine(tool))
  }
}

/** Tells what stopped the tool; gives the exit status for it. */
function report(log: Log, error: unknown, usage?: string): ExitCode {
  const failure = asToolError(error)
  log.error(failure.message, failure.hint ?? (failure.exitCode === EXIT.usage ? usage : undefined))
  if (process.env.PMEM_DEBUG) fs.writeSync(2, `${inspect(failure.cause ?? failure)}\n`)
  return failure.exitCode
}

function countOperands(operands: readonly string[], [fewest, most]: Tool['operands']): void {
  if (operands.length < fewest) throw new ToolError(EXIT.usage, 'an operand is missing')
  if (operands.length > most) throw new ToolError(EXIT.usage, `${operands[most]}: one operand too many`)
}

async function run(tool: Tool, given: Omit<Context, 'io'>, words: readonly string[]): Promise<ExitCode> {
  const signals = watchSignals()
  const program = { name: tool.name, version: VERSION, arguments: [...words] }
  const crc = (tool.role === 'source' || tool.role === 'transform') && given.options.flag('crc')
  const io = createIo(tool, program, signals, given.log, crc)
  const exit = await tool.run({ ...given, io })
  // Sources stop at a signal and pass it on; transforms and sinks have gone on until END.
  if ((tool.role === 'source' || tool.role === 'imager') && signals.interrupted.aborted) await signals.die()
  return exit
}

async function show(text: string): Promise<ExitCode> {
  await openPipeOutput(1)([Buffer.from(text, 'utf8')])
  return EXIT.complete
}

const usageLine = (tool: Tool) => `usage: ${`${tool.name} [OPTIONS] ${tool.usage}`.trim()}`

function helpText(tool: Tool, table: OptionTable): string {
  const rows = Object.entries(table).map(([name, spec]): [string, string] => {
    const long = spec.value === undefined ? `--${name}` : `--${name} ${spec.value}`
    return [`${spec.short ? `-${spec.short}, ` : '    '}${long}`, spec.help]
  })
  const width = Math.max(...rows.map(([left]) => left.length))
  const list = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('')
  return `${tool.name}: ${tool.summary}\n\n${usageLine(tool)}\n\n${list}\nman ${tool.name} says more.\n`
}
