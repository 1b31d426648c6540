import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'

const ROOT = process.cwd()
const SAMPLES = ['source', 'pass', 'sink']

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
  const bin = path.join(home, 'bin')
  const folder = path.join(home, 'work')
  for (const each of [bin, folder]) mkdirSync(each)
  for (const name of SAMPLES) {
    const file = path.join(bin, `sample-${name}`)
    const module = path.join(ROOT, 'dist/test/cli/sample', `${name}.js`)
    writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${module}' "$@"\n`)
    chmodSync(file, 0o755)
  }
  const { PMEM_DEBUG: _, NO_COLOR: __, ...inherited } = process.env
  const env = { ...inherited, PATH: `${bin}:${path.join(ROOT, 'bin')}:${process.env.PATH}` }

  function start(script: string) {
    const child = spawn('bash', ['-c', script], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk) => stdout.push(chunk))
    child.stderr.on('data', (chunk) => stderr.push(chunk))
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) =>
        resolve({
          status: code ?? 128 + ({ SIGINT: 2, SIGHUP: 1, SIGKILL: 9, SIGTERM: 15 }[signal as string] ?? 0),
          stdout: Buffer.concat(stdout),
          stderr: Buffer.concat(stderr).toString(),
        }),
      )
    })
    return { group: child.pid!, ended }
  }
  return { folder, start, run: (script) => start(script).ended }
}

/** A bash script under `script`, which gives it a terminal for all three; the output is what that terminal saw. */
export function onTerminal(command: string): string {
  return `SHELL=/bin/bash script --quiet --return --command '${command.replaceAll("'", "'\\''")}' /dev/null`
}
