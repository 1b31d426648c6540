import fs from 'node:fs'
import { ReadStream } from 'node:tty'
import { EXIT, ToolError } from './exit.js'

/** Longer than any password that is typed. */
const LONGEST = 4096

const [INTERRUPT, END, BACKSPACE, KILL, DELETE] = [0x03, 0x04, 0x08, 0x15, 0x7f]
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A line that is being typed on a terminal which leaves the keys to us. */
export interface TypedLine {
  /** Takes bytes as they come. @returns what has become of the line, undefined while it goes on */
  take(bytes: Uint8Array): 'done' | 'interrupted' | 'ended' | undefined
  /** What was typed, to be wiped by who takes it. */
  bytes(): Buffer
}

function createTypedLine(): TypedLine {
  const line = Buffer.alloc(LONGEST)
  let length = 0
  return {
    take(bytes) {
      for (const byte of bytes) {
        if (byte === 0x0a || byte === 0x0d) return 'done'
        if (byte === INTERRUPT) return 'interrupted'
        if (byte === END) return length === 0 ? 'ended' : 'done'
        if (byte === KILL) length = 0
        else if (byte === BACKSPACE || byte === DELETE) {
          // A character of UTF-8 goes with its continuation bytes.
          while (length > 0 && (line[--length]! & 0xc0) === 0x80);
        } else if (length < LONGEST) line[length++] = byte
      }
      return undefined
    },
    bytes() {
      const typed = Buffer.from(line.subarray(0, length))
      line.fill(0)
      return typed
    },
  }
}

/**
 * Asks for a line on the terminal that controls the process, whatever standard input is, and shows nothing of it.
 * The terminal is as it was when this returns, also when a signal ends the process meanwhile.
 * @returns undefined where there is no terminal
 * @throws {ToolError} when the user ends the input
 */
export async function askOnTerminal(question: string): Promise<Buffer | undefined> {
  const terminal = openTerminal()
  if (!terminal) return undefined
  const { fd, input } = terminal
  const line = createTypedLine()
  let stop = (_: NodeJS.Signals) => {}
  const onSignal = (signal: NodeJS.Signals) => stop(signal)
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    input.setRawMode(true)
    fs.writeSync(fd, question)
    const end = await new Promise<NodeJS.Signals | 'done' | 'ended'>((resolve, reject) => {
      stop = resolve
      input.on('error', reject)
      input.on('end', () => resolve('ended'))
      input.on('data', (typed: Buffer) => {
        const end = line.take(typed)
        typed.fill(0)
        if (end === 'interrupted') resolve('SIGINT')
        else if (end) resolve(end)
      })
    })
    fs.writeSync(fd, '\n')
    if (end === 'done') return line.bytes()
    if (end === 'ended') throw new ToolError(EXIT.usage, 'no password was typed')
    input.setRawMode(false)
    return await dieOf(end)
  } finally {
    line.bytes().fill(0)
    for (const signal of SIGNALS) process.off(signal, onSignal)
    if (input.isRaw) input.setRawMode(false)
    input.destroy()
  }
}

function openTerminal(): { fd: number; input: ReadStream } | undefined {
  try {
    const fd = fs.openSync('/dev/tty', 'r+')
    return { fd, input: new ReadStream(fd) }
  } catch {
    return undefined
  }
}

/** Nothing has begun yet that would have to be brought to an end. */
function dieOf(signal: NodeJS.Signals): Promise<never> {
  for (const each of SIGNALS) process.removeAllListeners(each)
  process.kill(process.pid, signal)
  return new Promise(() => {})
}
