import { EXIT, ToolError } from '../cli/exit.js'
import { PASSWORD_OPTION, secretsOf } from '../cli/secret.js'
import type { Tool } from '../cli/tool.js'
import type { Frames } from '../frames/frame.js'
import { textOf } from '../platform/system-files.js'
import { addressAt, KCORE_OPTIONS, kcoreMemory } from './kcore/memory.js'
import type { Plan } from './kcore/plan.js'
import { memoryFile, parsePid, processMemory } from './process/memory.js'
import { RESAMPLE_OPTIONS, type Resampling, resamplingOf } from './smear/options.js'
import { farFiles } from './ssh/far-files.js'
import { withResumptions } from './ssh/resumption-frames.js'
import { openSession, type Place, type Resumption, type SessionOptions } from './ssh/session.js'

const HOST_NAME = '/proc/sys/kernel/hostname'
const RETRIES = 5

export const tool: Tool = {
  name: 'pmem-read-ssh',
  role: 'source',
  usage: '[USER@]HOST [-- SSH-OPTIONS]',
  summary: 'emit the physical memory of a Linux host through plain ssh',
  options: {
    ...KCORE_OPTIONS,
    process: { value: 'PID', help: 'read the memory of this process instead' },
    sudo: { help: 'read as root, through sudo on the host' },
    ...PASSWORD_OPTION,
    ...RESAMPLE_OPTIONS,
    retries: { value: 'N', help: `make a link that breaks off anew so often in a row (${RETRIES})` },
  },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, log, io }) {
    const [host, ...sshOptions] = operands as [string, ...string[]]
    if (host.startsWith('-')) throw new ToolError(EXIT.usage, `${host}: not a host`)
    if (sshOptions.length > 0 && !sshOptions[0]!.startsWith('-'))
      throw new ToolError(EXIT.usage, `${sshOptions[0]}: one operand too many`)
    const sudo = options.flag('sudo')
    if (!sudo && options.flag('password-fd'))
      throw new ToolError(EXIT.usage, '--password-fd: there is no password without --sudo')
    const pid = options.value('process')
    const foreign = pid === undefined ? undefined : Object.keys(KCORE_OPTIONS).find(options.flag)
    if (foreign !== undefined) throw new ToolError(EXIT.usage, `--${foreign}: not of the memory of a process`)
    const { password } = secretsOf(options)
    return io.transmit(
      readSsh({
        session: {
          target: { host, sshOptions, sudo, password: () => password(`sudo on ${host}`) },
          retries: parseRetries(options.value('retries')),
          log,
          interrupted: io.interrupted,
        },
        pid: pid === undefined ? undefined : parsePid(pid, 'not the number of a process'),
        kcore: options.value('kcore'),
        iomem: options.value('iomem'),
        collect: !options.flag('no-collect'),
        resample: notByItself(resamplingOf({ options, io })),
        batchesAlive: io.batchesAlive,
      }),
    )
  },
}

/** Each page costs two answers' ways. */
const notByItself = ({ pages = 0, ...resample }: Resampling): Resampling => ({ ...resample, pages })

function parseRetries(word: string | undefined): number {
  if (word === undefined) return RETRIES
  if (!/^[0-9]{1,6}$/.test(word)) throw new ToolError(EXIT.usage, `--retries ${word}: not a number`)
  return Number(word)
}

export interface SshOptions {
  readonly session: Omit<SessionOptions, 'onResumption'>
  /** The process whose memory it is; of the machine where undefined. */
  readonly pid?: number | undefined
  readonly kcore: string | undefined
  readonly iomem: string | undefined
  /** Also emit the files that help to analyse the memory. */
  readonly collect: boolean
  readonly resample?: Resampling
  readonly batchesAlive?: number
}

/**
 * The physical memory of a host as frames, then the helper files; or the memory of one of its processes.
 * @throws {ToolError} when there is no way in, the memory can't be read, or the link breaks off once too often
 */
export async function* readSsh(options: SshOptions): Frames {
  const { log, interrupted, target } = options.session
  const resumptions: Resumption[] = []
  const take = () => resumptions.splice(0)
  let plan: Plan | undefined
  try {
    const session = await openSession({
      ...options.session,
      onResumption: (resumption) => resumptions.push(resumption),
    })
    const files = farFiles(session)
    const { pid, resample, batchesAlive } = options
    try {
      if (pid !== undefined) {
        const memory = processMemory(files, log, { program: tool.name, pid, resample })
        const addressOf = ({ path, offset }: Place) => (path === memoryFile(pid) ? offset : undefined)
        yield* withResumptions(memory, take, addressOf, tool.name)
        return
      }
      const memory = kcoreMemory(files, log, {
        program: tool.name,
        kcore: options.kcore,
        iomem: options.iomem,
        collect: options.collect,
        resample,
        facts: { hostName: (await textOf(files, HOST_NAME))?.trim() },
        batchesAlive,
        onPlan: (settled) => {
          plan = settled
        },
      })
      yield* withResumptions(memory, take, (at) => plan && addressAt(plan, at), tool.name)
    } finally {
      session.close()
    }
  } catch (error) {
    // The transmission ends, and says by what.
    if (interrupted.aborted) return
    if (!(error instanceof ToolError)) throw error
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    throw new ToolError(error.exitCode, `${target.host}: ${error.message}`, { ...hint, cause: error })
  }
}
