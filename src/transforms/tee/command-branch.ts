import { type ChildProcess, spawn } from 'node:child_process'
import os from 'node:os'
import type { Writable } from 'node:stream'
import { EXIT } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import { withDescendants } from '../../platform/linux/descendants.js'
import type { Branch, Ended } from './branch.js'

/**
 * A shell command that reads the frames from its standard input. Ctrl-C and a terminal that goes reach all processes
 * of a terminal, but only our own tools go on until END: so that a compressor or an ssh between them does, too, a
 * command starts with both signals ignored.
 */
export function startCommand(command: string): Required<Branch> {
  const guarded = process.platform === 'win32' ? command : `trap '' HUP INT; ${command}`
  const child = spawn(guarded, { shell: true, stdio: ['pipe', 'inherit', 'inherit'] })
  const input = child.stdin as Writable
  // Each write tells its own failure.
  input.on('error', () => {})
  const gone = exitOf(child)
  return {
    name: `'${command}'`,
    gone,
    write: (pieces) =>
      new Promise((resolve, reject) => {
        const last = pieces.length - 1
        input.cork()
        for (const [index, piece] of pieces.entries())
          input.write(piece, index < last ? undefined : (error) => (error ? reject(error) : resolve()))
        input.uncork()
      }),
    cutOff: () => void input.destroy(),
    kill(signal) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
      for (const pid of withDescendants(child.pid)) send(signal, pid)
    },
    finish() {
      input.end()
      return gone
    },
  }
}

function send(signal: NodeJS.Signals, pid: number): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended, or is another user's.
  }
}

/** The exit status as a shell tells it. */
function exitOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.on('exit', (code, signal) =>
      resolve(
        signal ? { exit: 128 + os.constants.signals[signal], reason: signal } : { exit: code ?? EXIT.io },
      ),
    )
    child.on('error', (error) => resolve({ exit: EXIT.io, reason: reasonOf(error) }))
  })
}
