import fs from 'node:fs'
import { isatty } from 'node:tty'
import { type Log, printable } from '../cli/messages.js'

/** Where the imager tells what it does: lines that stay, and one that is taken back by the next. */
export interface Console {
  line(text: string): void
  state(text: string): void
  /** The last state stays. */
  settle(): void
  /** The last state goes, where others write to the terminal. */
  clear(): void
}

export const SILENT: Console = { line() {}, state() {}, settle() {}, clear() {} }

/** Lines for people at a descriptor; states that go are only for a terminal, elsewhere they are lines like others. */
export function createConsole(fd: number): Console {
  const terminal = isatty(fd)
  let last = ''
  let shown = 0
  function write(text: string): void {
    try {
      fs.writeSync(fd, text)
    } catch {
      // Nobody reads it; the volume is what counts.
    }
  }
  const line = (text: string) => {
    write(`${printable(text).padEnd(shown)}\n`)
    last = ''
    shown = 0
  }
  const state = (text: string) => {
    write(`${text.padEnd(shown)}\r`)
    last = text
    shown = text.length
  }
  const settle = () => {
    if (last !== '') line(last)
  }
  const clear = () => {
    if (shown > 0) write(`${' '.repeat(shown)}\r`)
    shown = 0
  }
  return { line, state: terminal ? state : line, settle, clear }
}

/** The same log, on a terminal that a console shares; it has shown how far the work is. */
export function besideConsole(log: Log, told: Console): Log {
  const after =
    <Given extends unknown[]>(put: (...given: Given) => void) =>
    (...given: Given) => {
      told.clear()
      put(...given)
    }
  return {
    ...log,
    error: after(log.error),
    warn: after(log.warn),
    info: after(log.info),
    verbose: after(log.verbose),
    debug: after(log.debug),
    progress() {},
  }
}
