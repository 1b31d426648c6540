import fs, { type BigIntStats } from 'node:fs'
import { EXIT, type ExitCode, ToolError } from './cli/exit.js'
import { parseWords } from './cli/launch.js'
import { partialName } from './cli/output.js'
import { isSameFile, refuseSameFile } from './cli/same-file.js'
import { SECRET_OPTIONS, secretsOf } from './cli/secret.js'
import type { Context, Io, Tool } from './cli/tool.js'
import { VERSION } from './cli/version.js'
import { guardName } from './formats/aff4/append-guard.js'
import { runChain } from './imager/chain.js'
import { besideConsole, createConsole, SILENT } from './imager/console.js'
import { extraction, introduction, narrate } from './imager/narrate.js'
import { planOf } from './imager/plan.js'
import { shellLine } from './imager/shell.js'
import { RESAMPLE_OPTIONS } from './sources/smear/options.js'

/** What the imager is made of, each loaded when it is needed. */
const TOOLS: Record<string, () => Promise<{ tool: Tool }>> = {
  'aff4-cat': () => import('./sources/aff4-cat.js'),
  'file-cat': () => import('./sources/file-cat.js'),
  'ntfs-cat': () => import('./sources/ntfs-cat.js'),
  'pmem-read': () => import('./sources/read.js'),
  'pmem-compress': () => import('./transforms/compress.js'),
  'aff4-sink': () => import('./sinks/aff4-sink.js'),
  'elf-sink': () => import('./sinks/elf-sink.js'),
  'raw-sink': () => import('./sinks/raw-sink.js'),
  'aff4-view': () => import('./volumes/aff4-view.js'),
}

const load = async (name: string): Promise<Tool> => (await TOOLS[name]!()).tool

/** The reader of volumes, which few command lines need. */
const volumes = () => import('./imager/volumes.js')

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
      pagefile: {
        short: 'p',
        value: 'FILE…',
        repeat: true,
        greedy: true,
        help: 'page files, which are acquired with the memory',
      },
      view: { short: 'V', help: 'show the metadata of the volumes' },
      input: { short: 'i', value: 'FILE…', repeat: true, greedy: true, help: 'files to acquire' },
      export: { short: 'e', value: 'STREAM', help: 'write this stream of the volumes to the output' },
      output: { short: 'o', value: 'OUT', help: 'the volume, which is appended to, or the file' },
      compression: { short: 'c', value: 'zlib|snappy|lz4|none', help: 'how chunks are compressed (zlib)' },
      ...RESAMPLE_OPTIONS,
      ...SECRET_OPTIONS,
      plan: { help: 'show the pipeline that does the same, and do nothing' },
      'dry-run': { help: 'show what would be read, and what each format would take, and write nothing' },
      json: { help: 'with --dry-run: as JSON' },
    },
    operands: [0, Number.POSITIVE_INFINITY],
    run: (context) => run(name, context),
  },
})

async function run(name: string, context: Context): Promise<ExitCode> {
  const { options, operands, io, log } = context
  const secrets = secretsOf(options)
  const plan = await planOf(context, {
    streamCalled: async (stream, paths) => (await volumes()).streamCalled(stream, paths, secrets),
    holdsMemory: async (path) => (await volumes()).holdsMemory(path),
    isKept,
  })
  if (options.flag('json') && !options.flag('dry-run'))
    throw new ToolError(EXIT.usage, '--json: only with --dry-run')
  if (options.flag('plan') && options.flag('dry-run'))
    throw new ToolError(EXIT.usage, '--plan does not go with --dry-run')
  if (options.flag('plan')) {
    await io.print(`${shellLine(plan)}\n`)
    return EXIT.complete
  }
  if ('tool' in plan) {
    const tool = await load(plan.tool)
    return tool.run({ ...context, ...parseWords(tool, plan.words) })
  }
  const output = options.value('output')!
  const files = options.values('input').map(statOf)
  for (const input of [...[...operands, ...options.values('pagefile')].map(statOf), ...files])
    refuseSameFile(output, statOf(output), input)
  const written = [output, partialName(output), guardName(output)]
  const own: Io = {
    ...io,
    isOutput: (file) => io.isOutput(file) || written.some((name) => isSameFile(file, statOf(name))),
  }
  if (options.flag('dry-run')) {
    const { dryRun } = await import('./imager/dry-run.js')
    return dryRun(plan, context, { io: own, log, secrets, load })
  }
  // Where the volume goes to standard output, nothing else does.
  const told = options.flag('quiet') || options.flag('log') ? SILENT : createConsole(output === '-' ? 2 : 1)
  return runChain(plan, {
    io: own,
    secrets,
    log: options.flag('log') ? log : besideConsole(log, told),
    program: { name, version: VERSION, arguments: process.argv.slice(2) },
    load,
    size: files.reduce((sum, file) => sum + (file?.size ?? 0n), 0n),
    watch: (frames) =>
      narrate(frames, told, plan.stream === undefined ? introduction : extraction(plan.stream, output)),
  })
}

function isKept(file: string): boolean {
  try {
    fs.closeSync(fs.openSync(file, 'r'))
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EBUSY'
  }
}

/** What is not there, or cannot be had, is no file here: who reads or writes it will say so. */
function statOf(name: string): BigIntStats | undefined {
  try {
    return fs.statSync(name, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
