import { EXIT, type ExitCode, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import { isDamage } from '../../formats/format-error.js'
import { explainPtraceRefusal, readAuthority } from '../../platform/linux/authority.js'
import { type Mapping, parseMaps } from '../../platform/linux/process-maps.js'
import { type SystemFile, type SystemFiles, textOf } from '../../platform/system-files.js'

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
  readonly mem: SystemFile
  /** Undefined where it can't be read. */
  readonly pagemap: SystemFile | undefined
  close(): void
}

/**
 * Opens what /proc has about a process.
 * @param files of the machine that it runs on
 * @throws {ToolError} when there is no such process, it has no memory, or it may not be read
 */
export async function openTarget(files: SystemFiles, pid: number): Promise<Target> {
  if ((await textOf(files, '/proc/self/stat')) === undefined)
    throw new ToolError(EXIT.unavailable, '/proc: not there', { hint: 'mount -t proc proc /proc' })
  const folder = `/proc/${pid}`
  if ((await textOf(files, `${folder}/stat`)) === undefined)
    throw new ToolError(EXIT.noInput, `process ${pid}: no such process`, {
      hint: 'ps -e lists them; those of others are hidden where /proc is mounted with hidepid',
    })
  const { bytes: maps } = await orRefuse(files, pid, files.readWhole(`${folder}/maps`, MOST_MAPS))
  const mappings = parseMaps(maps)
  if (mappings.length === 0)
    throw new ToolError(EXIT.noInput, `process ${pid}: has no memory of its own: a kernel thread or a zombie`)
  const mem = await orRefuse(files, pid, files.open(`${folder}/mem`))
  const pagemap = await openPagemap(files, `${folder}/pagemap`)
  return {
    pid,
    folder,
    maps,
    mappings,
    mem,
    pagemap,
    close() {
      mem.close()
      pagemap?.close()
    },
  }
}

async function orRefuse<T>(files: SystemFiles, pid: number, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!isDamage(error)) throw error
    const { code } = error as NodeJS.ErrnoException
    const gone = code === 'ENOENT' || code === 'ESRCH'
    let exit: ExitCode = EXIT.noInput
    let why = gone ? 'no such process any more' : reasonOf(error)
    let hint: string | undefined
    if (code === 'EACCES' || code === 'EPERM') {
      exit = EXIT.permission
      ;({ why, hint } = explainPtraceRefusal(await readAuthority(files), await textOf(files, PTRACE_SCOPE)))
    }
    throw new ToolError(exit, `process ${pid}: ${why}`, { ...(hint !== undefined && { hint }), cause: error })
  }
}

/** Kernels 4.0 and 4.1 let only root read it. */
async function openPagemap(files: SystemFiles, path: string): Promise<SystemFile | undefined> {
  try {
    const file = await files.open(path)
    await file.read(0n, Buffer.alloc(8))
    return file
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}
