import fs from 'node:fs'
import { EXIT, type ExitCode, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import { explainPtraceRefusal, readAuthority } from '../../platform/linux/authority.js'
import { type Mapping, parseMaps } from '../../platform/linux/process-maps.js'
import { readPseudoFile } from '../../platform/pseudo-file.js'
import { LOCAL_FILES } from '../../platform/system-files.js'

/** Far above what 65530 mappings, the kernel's usual limit, take. */
export const MOST_MAPS = 256 << 20
const PTRACE_SCOPE = '/proc/sys/kernel/yama/ptrace_scope'

/** A process that may be read. */
export interface Target {
  readonly pid: number
  /** /proc/PID */
  readonly folder: string
  /** Text of maps as it was. */
  readonly maps: Uint8Array
  readonly mappings: readonly Mapping[]
  /** Descriptor of mem. */
  readonly mem: number
  /** Descriptor of pagemap; undefined where it can't be read. */
  readonly pagemap: number | undefined
  close(): void
}

/**
 * Opens what /proc has about a process.
 * @throws {ToolError} when there is no such process, it has no memory, or it may not be read
 */
export async function openTarget(pid: number): Promise<Target> {
  if (!fs.existsSync('/proc/self'))
    throw new ToolError(EXIT.unavailable, '/proc: not there', { hint: 'mount -t proc proc /proc' })
  const folder = `/proc/${pid}`
  if (!fs.existsSync(folder))
    throw new ToolError(EXIT.noInput, `process ${pid}: no such process`, {
      hint: 'ps -e lists them; those of others are hidden where /proc is mounted with hidepid',
    })
  const maps = await orRefuse(pid, () => readPseudoFile(`${folder}/maps`, MOST_MAPS).bytes)
  const mappings = parseMaps(maps)
  if (mappings.length === 0)
    throw new ToolError(EXIT.noInput, `process ${pid}: has no memory of its own: a kernel thread or a zombie`)
  const mem = await orRefuse(pid, () => fs.openSync(`${folder}/mem`, 'r'))
  const pagemap = openPagemap(`${folder}/pagemap`)
  return {
    pid,
    folder,
    maps,
    mappings,
    mem,
    pagemap,
    close() {
      fs.closeSync(mem)
      if (pagemap !== undefined) fs.closeSync(pagemap)
    },
  }
}

async function orRefuse<T>(pid: number, work: () => T): Promise<T> {
  try {
    return work()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const gone = code === 'ENOENT' || code === 'ESRCH'
    let exit: ExitCode = EXIT.noInput
    let why = gone ? 'no such process any more' : reasonOf(error)
    let hint: string | undefined
    if (code === 'EACCES' || code === 'EPERM') {
      exit = EXIT.permission
      ;({ why, hint } = explainPtraceRefusal(await readAuthority(LOCAL_FILES), ptraceScope()))
    }
    throw new ToolError(exit, `process ${pid}: ${why}`, { ...(hint !== undefined && { hint }), cause: error })
  }
}

function ptraceScope(): string | undefined {
  try {
    return fs.readFileSync(PTRACE_SCOPE, 'latin1')
  } catch {
    return undefined
  }
}

/** Kernels 4.0 and 4.1 let only root read it. */
function openPagemap(path: string): number | undefined {
  try {
    const fd = fs.openSync(path, 'r')
    fs.readSync(fd, Buffer.alloc(8), 0, 8, 0n)
    return fd
  } catch {
    return undefined
  }
}
