import fs from 'node:fs'
import { isatty } from 'node:tty'
import type { Options } from './cli/arguments.js'
import { EXIT, type ExitCode, ToolError } from './cli/exit.js'
import { parseWords } from './cli/launch.js'
import { printable } from './cli/messages.js'
import { SECRET_OPTIONS, secretsOf } from './cli/secret.js'
import type { Context, Tool } from './cli/tool.js'
import { VERSION } from './cli/version.js'
import { runChain } from './imager/chain.js'
import { type Console, fileUrl, narrate } from './imager/narrate.js'
import { type Plan, planOf } from './imager/plan.js'
import { shellLine } from './imager/shell.js'
import { holdsMemory, streamCalled } from './imager/volumes.js'

/** What the imager is made of, each loaded when it is needed. */
const TOOLS: Record<string, () => Promise<{ tool: Tool }>> = {
  'aff4-cat': () => import('./sources/aff4-cat.js'),
  'file-cat': () => import('./sources/file-cat.js'),
  'pmem-read': () => import('./sources/read.js'),
  'pmem-compress': () => import('./transforms/compress.js'),
  'aff4-sink': () => import('./sinks/aff4-sink.js'),
  'elf-sink': () => import('./sinks/elf-sink.js'),
  'raw-sink': () => import('./sinks/raw-sink.js'),
  'aff4-view': () => import('./volumes/aff4-view.js'),
}

const load = async (name: string): Promise<Tool> => (await TOOLS[name]!()).tool

/** pmem and its other names: the stages of a pipeline in one process, by the options of the pmem suite. */
export const imager = (name: string): { tool: Tool } => ({
  tool: {
    name,
    role: 'imager',
    usage: '[VOLUME…]',
    summary: 'acquire memory and files into a volume, in one process',
    options: {
      elf: { help: 'write an ELF core of the memory, or with -e of that stream' },
      'acquire-memory': { short: 'm', help: 'acquire memory, too, where files are asked for' },
      pagefile: { short: 'p', value: 'FILE…', repeat: true, greedy: true, help: 'page files' },
      view: { short: 'V', help: 'show the metadata of the volumes' },
      input: { short: 'i', value: 'FILE…', repeat: true, greedy: true, help: 'files to acquire' },
      export: { short: 'e', value: 'STREAM', help: 'write this stream of the volumes to the output' },
      output: { short: 'o', value: 'OUT', help: 'the volume, which is appended to, or the file' },
      compression: { short: 'c', value: 'zlib|snappy|lz4|none', help: 'how chunks are compressed (zlib)' },
      ...SECRET_OPTIONS,
      plan: { help: 'show the pipeline that does the same, and do nothing' },
    },
    operands: [0, Number.POSITIVE_INFINITY],
    run: (context) => run(name, context),
  },
})

async function run(name: string, context: Context): Promise<ExitCode> {
  const { options, operands, io, log } = context
  const exported = options.value('export')
  const secrets = secretsOf(options)
  const urn = exported === undefined ? undefined : await streamCalled(exported, operands, secrets)
  const plan = planOf({ options, operands }, urn)
  if (options.flag('plan')) {
    await io.print(`${shellLine(plan)}\n`)
    return EXIT.complete
  }
  if ('tool' in plan) {
    const tool = await load(plan.tool)
    return tool.run({ ...context, ...parseWords(tool, plan.words) })
  }
  const output = options.value('output')!
  for (const input of [...operands, ...options.values('input'), ...options.values('pagefile')])
    if (isOneFile(input, output)) throw new ToolError(EXIT.usage, `${output}: input and output are one file`)
  if (urn === undefined) await refuseSecondMemory(options, plan, output)
  const told = createConsole(options, output)
  if (urn !== undefined) told.line(`Extracting ${urn} into ${fileUrl(output)}`)
  return runChain(plan, {
    io,
    secrets,
    log: options.value('log') === undefined ? { ...log, progress() {} } : log,
    program: { name, version: VERSION, arguments: process.argv.slice(2) },
    load,
    watch: (frames) => narrate(frames, told, urn === undefined),
  })
}

function isOneFile(input: string, output: string): boolean {
  try {
    const [a, b] = [input, output].map((name) => fs.statSync(name, { bigint: true }))
    return a!.dev === b!.dev && a!.ino === b!.ino
  } catch {
    // One of them is not there, or cannot be had: who reads it will say so.
    return false
  }
}

/** The suite acquires a memory once, and again only when told to. */
async function refuseSecondMemory(options: Options, { sources }: Plan, output: string): Promise<void> {
  const unasked = sources[0]!.tool === 'pmem-read' && !options.flag('acquire-memory') && !options.flag('elf')
  if (!unasked || options.flag('truncate') || !fs.statSync(output, { throwIfNoEntry: false })?.isFile())
    return
  if (await holdsMemory(output))
    throw new ToolError(EXIT.cannotCreate, `${output}: holds a memory already`, {
      hint: '-m adds another one, -t replaces the volume',
    })
}

/** Lines for people on standard output, where no volume goes there; quiet for those who want none. */
function createConsole(options: Options, output: string): Console {
  if (options.flag('quiet') || options.flag('log')) return { line() {}, state() {} }
  const fd = output === '-' ? 2 : 1
  const terminal = isatty(fd)
  let shown = 0
  const put = (text: string, end: string) => {
    const whole = printable(text)
    try {
      fs.writeSync(fd, `${whole.padEnd(shown)}${end}`)
    } catch {
      // Nobody reads it; the volume is what counts.
    }
    shown = end === '\r' ? whole.length : 0
  }
  return {
    line: (text) => put(text, '\n'),
    state: (text) => put(text, terminal ? '\r' : '\n'),
  }
}
