import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'

const ROOT = process.cwd()
const SAMPLES = path.join(ROOT, 'test/cli/sample/bin')
/** What hangs fails here, and says where; a busy machine may take its time. For `spawn`. */
export const PATIENCE = { timeout: 300_000, killSignal: 'SIGKILL' } as const

/** Prints the exit statuses of the pipeline before it. */
export const STATUSES = `echo "\${PIPESTATUS[*]}"`

export interface Ended {
  /** Exit status as bash tells it: 128 and the number of the signal for who died of one. */
  status: number
  stdout: Buffer
  stderr: string
}

export interface Shell {
  folder: string
  /** Runs a bash script in the folder: `sample-source`, `sample-pass`, `sample-sink` and bin/ are in PATH. */
  run(script: string): Promise<Ended>
  /** Starts a script as the leader of a process group of its own. */
  start(script: string): { group: number; ended: Promise<Ended> }
}

/** A folder of its own for a test, removed at the end, and bash in it. */
export function openShell(t: ExecutionContext): Shell {
  const home = mkdtempSync(path.join(tmpdir(), 'pmem-test-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  const folder = path.join(home, 'work')
  mkdirSync(folder)
  const running = new Set<() => void>()
  t.teardown(() => {
    for (const stop of running) stop()
  })
  const { PMEM_DEBUG: _, NO_COLOR: __, ...inherited } = process.env
  const env = { ...inherited, PATH: `${SAMPLES}:${path.join(ROOT, 'bin')}:${process.env.PATH}` }

  function start(script: string) {
    const child = spawn('bash', ['-c', script], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const group = child.pid!
    const stop = () => endGroup(group)
    const late = setTimeout(stop, PATIENCE.timeout)
    running.add(stop)
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk) => stdout.push(chunk))
    child.stderr.on('data', (chunk) => stderr.push(chunk))
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        clearTimeout(late)
        running.delete(stop)
        resolve({
          status: code ?? 128 + ({ SIGINT: 2, SIGHUP: 1, SIGKILL: 9, SIGTERM: 15 }[signal as string] ?? 0),
          stdout: Buffer.concat(stdout),
          stderr: Buffer.concat(stderr).toString(),
        })
      })
    })
    return { group, ended }
  }
  return { folder, start, run: (script) => start(script).ended }
}

function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // Its last process has just ended by itself.
  }
}

/** A bash script under `script`, which gives it a terminal for all three; the output is what that terminal saw. */
export function onTerminal(command: string): string {
  return `SHELL=/bin/bash script --quiet --return --command '${command.replaceAll("'", "'\\''")}' /dev/null`
}

/** Waits, in a bash script, until a tool with this process id hears signals: Node itself does not ask for SIGHUP. */
export const hearsSignals = (pid: string): string =>
  `until grep -q '^SigCgt:.*[13579bdf]$' /proc/${pid}/status; do sleep 0.05; done`
