import { win32 } from 'node:path'
import type { Arguments, Options } from '../cli/arguments.js'
import { EXIT, ToolError } from '../cli/exit.js'
import { SECRET_OPTIONS } from '../cli/secret.js'
import { SPACE_OPTIONS } from '../cli/space.js'
import type { WritableCodec } from '../codecs/codec-error.js'
import { CODECS } from '../frames/frame.js'
import { RESAMPLE_OPTIONS } from '../sources/smear/options.js'

/** A tool and the words behind its name. */
export interface Stage {
  readonly tool: string
  readonly words: readonly string[]
}

/** What a shell would write as `(source; source) | transform | sink`, or a single tool. */
export interface Plan {
  /** One after another: each sends a transmission of its own. */
  readonly sources: readonly Stage[]
  readonly transforms: readonly Stage[]
  readonly sink: Stage
  /** In which chunks are stored, where the transforms do nothing else. */
  readonly codec?: WritableCodec
  /** The URN of the stream that is taken out of volumes. */
  readonly stream?: string
}

const DEFAULT_CODEC = 'zlib'
const WRITTEN = CODECS.filter((codec): codec is WritableCodec => codec !== 'deflate')

/** What a plan depends on beside the options: what volumes hold. Asked once the options are found to be sound. */
export interface Inquiry {
  /** The URN of the stream of the volumes that is meant by a name. */
  streamCalled(name: string, volumes: readonly string[]): Promise<string>
  /** Whether a memory is in the volume already to which is appended. */
  holdsMemory(volume: string): Promise<boolean>
  /** Whether Windows keeps a file from everyone, as it does a page file that is in use. */
  isKept(file: string): boolean
}

/**
 * The tools that do what the options ask for.
 * @param platform the system that it is done on
 * @throws {ToolError} usage, when they contradict each other or something is missing; what the inquiry throws; or
 * that the volume holds a memory and another one is not asked for
 */
export async function planOf(
  { options, operands }: Arguments,
  inquiry: Inquiry,
  platform: NodeJS.Platform = process.platform,
): Promise<Plan | Stage> {
  if (options.flag('view')) return planView(options, operands)
  if (options.flag('export')) return planExport(options, operands, inquiry)
  if (operands[0] !== undefined)
    throw new ToolError(EXIT.usage, `${operands[0]}: a volume is given, and neither -V nor -e`, {
      hint: '-i takes files into the volume of -o',
    })
  return planAcquisition(options, inquiry, platform)
}

function planView(options: Options, operands: readonly string[]): Stage {
  refuseWith(options, '-V', [
    'elf',
    'acquire-memory',
    'pagefile',
    'input',
    'export',
    'output',
    'compression',
    ...RESAMPLING,
    ...Object.keys(SPACE_OPTIONS),
    'dry-run',
  ])
  if (operands.length === 0) throw new ToolError(EXIT.usage, '-V: no volume is given')
  return { tool: 'aff4-view', words: [...secretWords(options), '--', ...operands] }
}

async function planExport(options: Options, operands: readonly string[], inquiry: Inquiry): Promise<Plan> {
  const name = options.value('export')!
  refuseWith(options, '-e', ['acquire-memory', 'pagefile', 'input', 'compression', ...RESAMPLING])
  if (operands.length === 0) throw new ToolError(EXIT.usage, `-e ${name}: no volume is given`)
  const words = [...outputWords(options), '--', outputOf(options)]
  const stream = await inquiry.streamCalled(name, operands)
  return {
    sources: [
      { tool: 'aff4-cat', words: [`--stream=${stream}`, ...secretWords(options), '--', ...operands] },
    ],
    transforms: [],
    sink: { tool: options.flag('elf') ? 'elf-sink' : 'raw-sink', words },
    stream,
  }
}

async function planAcquisition(options: Options, inquiry: Inquiry, platform: NodeJS.Platform): Promise<Plan> {
  const secret = SECRETS.find((name) => options.flag(name))
  if (secret !== undefined) throw new ToolError(EXIT.usage, `--${secret}: only with -V and -e`)
  const pageFiles = options.values('pagefile')
  const inputs = options.values('input')
  if (options.flag('elf')) {
    if (pageFiles.length + inputs.length > 0)
      throw new ToolError(
        EXIT.usage,
        '--elf does not go with --input and --pagefile: an ELF file cannot hold several streams',
      )
    if (options.flag('compression'))
      throw new ToolError(EXIT.usage, '--elf does not go with --compression: an ELF file is not compressed')
  }
  const given = options.value('compression') ?? DEFAULT_CODEC
  const codec = WRITTEN.find((known) => known === given)
  if (codec === undefined) throw new ToolError(EXIT.usage, `-c ${given}: not one of ${WRITTEN.join(', ')}`)
  const output = outputOf(options)
  if (options.flag('elf'))
    return {
      sources: [{ tool: 'pmem-read', words: ['--no-collect', ...resampling(options)] }],
      transforms: [],
      sink: { tool: 'elf-sink', words: [...outputWords(options), '--', output] },
    }
  // What changes fastest comes first.
  const sources: Stage[] = []
  const memory = await takesMemory(options, output, inquiry)
  if (memory) sources.push({ tool: 'pmem-read', words: resampling(options) })
  else refuseWith(options, 'an acquisition without memory', RESAMPLING)
  const kept = pageFiles.filter((file) => platform === 'win32' && inquiry.isKept(file))
  // All that are in use come with the memory.
  if (!memory) sources.push(...kept.map(fromVolume))
  const free = pageFiles.filter((file) => !kept.includes(file))
  if (free.length > 0)
    sources.push({ tool: 'file-cat', words: ['--category', 'memory:pagefile', '--', ...free] })
  if (inputs.length > 0) sources.push({ tool: 'file-cat', words: ['--', ...inputs] })
  const expect = sources.length > 1 ? ['--expect', String(sources.length)] : []
  return {
    sources,
    transforms: [{ tool: 'pmem-compress', words: [codec] }],
    sink: { tool: 'aff4-sink', words: [...outputWords(options), ...expect, '--', output] },
    codec,
  }
}

/** What Windows opens for nobody is read from its volume. */
function fromVolume(pageFile: string): Stage {
  const { root, dir, base } = win32.parse(win32.resolve(pageFile))
  return {
    tool: 'ntfs-cat',
    words: ['--', `\\\\.\\${root.replace('\\', '')}`, win32.join(dir.slice(root.length), base)],
  }
}

/** As the suite did: page files come with the memory, files in its place; and it acquires a memory once. */
async function takesMemory(options: Options, output: string, inquiry: Inquiry): Promise<boolean> {
  if (options.flag('acquire-memory')) return true
  if (options.flag('input')) return false
  if (options.flag('truncate') || !(await inquiry.holdsMemory(output))) return true
  if (options.flag('pagefile')) return false
  throw new ToolError(EXIT.cannotCreate, `${output}: holds a memory already`, {
    hint: '-m adds another one, -t replaces the volume',
  })
}

function outputOf(options: Options): string {
  const output = options.value('output')
  if (output === undefined) throw new ToolError(EXIT.usage, '--output: an output file is missing')
  return output
}

const RESAMPLING = Object.keys(RESAMPLE_OPTIONS)

const resampling = (options: Options) =>
  RESAMPLING.flatMap((name) => options.values(name).map((value) => `--${name}=${value}`))

const SECRETS = Object.keys(SECRET_OPTIONS)

const secretWords = (options: Options) =>
  SECRETS.flatMap((name) => options.values(name).map((value) => `--${name}=${value}`))

/** What the sink is told of its output as the imager was. */
const outputWords = (options: Options) => [
  ...(options.flag('truncate') ? ['-t'] : []),
  ...(options.flag('ignore-space') ? ['--ignore-space'] : []),
  ...options.values('max-disk-usage').map((usage) => `--max-disk-usage=${usage}`),
]

function refuseWith(options: Options, what: string, others: readonly string[]): void {
  const other = others.find((name) => options.flag(name))
  if (other !== undefined) throw new ToolError(EXIT.usage, `${what} does not go with --${other}`)
}
