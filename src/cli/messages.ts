import fs from 'node:fs'
import { isatty } from 'node:tty'

/** Messages to standard error: `tool: what: why`, then `hint: …`; JSON lines with `--log json`. */
export interface Log {
  error(message: string, hint?: string): void
  /** Shown unless -q, as info is. */
  warn(message: string, hint?: string): void
  info(message: string): void
  /** Shown with -v. */
  verbose(message: string): void
  /** Shown with -d. */
  debug(message: string): void
  /** A state of long work, already in words for people; `facts` are its numbers for programs. */
  progress(line: string, facts: Record<string, unknown>): void
  /** Removes a progress line, so that the terminal is left clean. */
  clearProgress(): void
}

export interface LogStyle {
  quiet?: boolean
  verbose?: boolean
  debug?: boolean
  json?: boolean
}

/** Whether standard error is a terminal on which a line may be written over. */
export const takesBars = (): boolean => isatty(2) && !process.env.NO_COLOR

/** A log that writes whole lines, at once: nothing is lost when the process ends after it. */
export function createLog(tool: string, style: LogStyle): Log {
  const terminal = !style.json && takesBars()
  let bar = 0

  function write(level: string, message: string, hint?: string): void {
    clearProgress()
    if (style.json) line({ time: new Date().toISOString(), level, tool, message, ...(hint && { hint }) })
    else put(`${tool}: ${printable(message)}\n${hint ? `hint: ${printable(hint)}\n` : ''}`)
  }
  function clearProgress(): void {
    if (bar > 0) put(`\r${' '.repeat(bar)}\r`)
    bar = 0
  }
  return {
    error: (message, hint) => write('error', message, hint),
    warn: (message, hint) => {
      if (!style.quiet) write('warning', message, hint)
    },
    info: (message) => {
      if (!style.quiet) write('info', message)
    },
    verbose: (message) => {
      if (style.verbose || style.debug) write('verbose', message)
    },
    debug: (message) => {
      if (style.debug) write('debug', message)
    },
    progress: (text, facts) => {
      if (style.quiet) return
      if (style.json) line({ time: new Date().toISOString(), level: 'progress', tool, ...facts })
      else if (terminal) {
        // A line that wraps could not be taken back.
        const shown = printable(text).slice(0, (process.stderr.columns || 80) - 1)
        put(`\r${shown.padEnd(bar)}`)
        bar = shown.length
      }
    },
    clearProgress,
  }
}

/** Text from elsewhere, safe for a terminal: control characters stand as \\xNN, those that turn text around as \\uNNNN. */
export function printable(text: string): string {
  if (PLAIN.test(text)) return text
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => {
    const code = character.charCodeAt(0).toString(16)
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`
  })
}

/** What most names are. */
const PLAIN = /^[ -~]*$/

const line = (facts: Record<string, unknown>) => put(`${JSON.stringify(facts)}\n`)

function put(text: string): void {
  try {
    fs.writeSync(2, text)
  } catch {
    // Nobody reads our messages; the exit status still tells.
  }
}
