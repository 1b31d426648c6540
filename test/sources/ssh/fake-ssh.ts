import { spawn } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'

/*
 * Stands for ssh on the PATH of a test: `ssh -T -F PLAN HOST COMMAND` runs the command here, in a world of nothing but
 * what the plan names, and does to each connection what the plan says.
 */

/** What one connection is like. */
export interface Connection {
  /** Breaks off after so many bytes of standard output. */
  readonly cutAfter?: number
  /** Is killed where it would break off, without a word. */
  readonly dies?: boolean
  /** Says this instead of running the command, forever where it is told to. */
  readonly says?: string
  readonly forever?: boolean
  /** Stays open in silence after it has said or run what it should. */
  readonly stays?: boolean
  /** What it has started keeps its standard error, for as long as this file is there. */
  readonly leaves?: string
  /** Ends at once, with words on standard error. */
  readonly refuses?: string
  /** In what the far shell is told, the first stands for the second. */
  readonly replaces?: readonly [string, string]
  /** Printed by the login before the shell. */
  readonly greets?: string
}

export interface Plan {
  /** One byte is added for each connection. */
  readonly count: string
  /** Gets a line when a connection breaks off. */
  readonly cut?: string
  /** The last one stands for all that follow. */
  readonly connections: readonly Connection[]
  /** What runs a command: `busybox sh`. */
  readonly shell: readonly string[]
  /** The only folder of programs. */
  readonly path: string
}

const words = process.argv.slice(2)
if (words[0] === '-T') {
  const plan = JSON.parse(readFileSync(words[words.indexOf('-F') + 1]!, 'utf8')) as Plan
  appendFileSync(plan.count, '.')
  const number = readFileSync(plan.count).length - 1
  connect(plan, plan.connections[Math.min(number, plan.connections.length - 1)]!, words.at(-1)!)
}

function connect(plan: Plan, connection: Connection, command: string): void {
  const {
    cutAfter = Number.POSITIVE_INFINITY,
    dies,
    says,
    forever,
    stays,
    leaves,
    refuses,
    replaces,
    greets,
  } = connection
  const end = (status: number, why: string) => {
    if (why !== '') process.stderr.write(`${why}\r\n`)
    process.exitCode = status
    if (stays) setInterval(() => {}, 1000)
    else process.stdout.write('', () => process.exit())
  }
  process.stdout.on('error', () => process.exit(255))
  if (leaves !== undefined)
    spawn('/bin/busybox', ['sh', '-c', 'while [ -e "$0" ]; do sleep 1; done', leaves], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }).unref()
  if (refuses !== undefined) {
    end(255, refuses)
    return
  }
  if (says !== undefined) {
    const again = () => process.stdout.write(says, () => (forever ? again() : end(0, '')))
    again()
    return
  }
  if (greets !== undefined) process.stdout.write(greets)
  const child = spawn(plan.shell[0]!, [...plan.shell.slice(1), '-c', command], {
    // A home without settings of its own.
    env: { PATH: plan.path, HOME: plan.path },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  process.stdin.on('data', (chunk: Buffer) => {
    child.stdin.write(replaces ? chunk.toString('latin1').replaceAll(...replaces) : chunk, 'latin1')
  })
  process.stdin.on('end', () => child.stdin.end())
  child.stdin.on('error', () => {})
  let left = cutAfter
  child.stdout.on('data', (chunk: Buffer) => {
    if (left <= 0) return
    const part = chunk.subarray(0, left)
    left -= part.length
    const taken = process.stdout.write(part)
    if (left <= 0) {
      if (plan.cut !== undefined) appendFileSync(plan.cut, '0\n')
      if (dies) {
        process.stdout.write('', () => process.kill(process.pid, 'SIGKILL'))
        return
      }
      child.kill('SIGKILL')
      end(255, 'client_loop: send disconnect: Broken pipe')
    } else if (!taken) {
      child.stdout.pause()
      process.stdout.once('drain', () => child.stdout.resume())
    }
  })
  child.once('close', (status) => {
    if (left > 0) end(status ?? 255, '')
  })
}
