import os from 'node:os'

/** On Windows they are Ctrl-C, what nobody sends, and the console's closing; SIGBREAK is Ctrl-Break there. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const
export type Signal = (typeof SIGNALS)[number]

/** Exit status of a process that Ctrl-C has ended: STATUS_CONTROL_C_EXIT. A batch file stops at it. */
const CONTROL_C_EXIT = 0xc000013a | 0

export interface Signals {
  /** Aborted by the first signal; its reason is the signal's name. */
  readonly interrupted: AbortSignal
  /** Aborted by a second signal, right before it ends the process: who acts does so at once. */
  readonly ended: AbortSignal
  /** Ends the process by the signal that interrupted it, so that a shell list stops too. */
  die(): Promise<never>
}

/** Catches the first SIGINT, SIGTERM, SIGHUP or SIGBREAK; a second one of any kind ends the process at once. */
export function watchSignals(): Signals {
  const first = new AbortController()
  const second = new AbortController()
  for (const signal of SIGNALS)
    process.on(signal, () => {
      if (!first.signal.aborted) return first.abort(signal)
      second.abort(signal)
      void endBy(signal)
    })
  return {
    interrupted: first.signal,
    ended: second.signal,
    die: () => endBy(first.signal.reason as Signal),
  }
}

function endBy(signal: Signal): Promise<never> {
  // There is nothing to send: Windows would end the process with a status of 1, which means a mismatch.
  if (process.platform === 'win32') process.exit(CONTROL_C_EXIT)
  for (const each of SIGNALS) process.removeAllListeners(each)
  process.kill(process.pid, signal)
  // The signal arrives at once, and nothing else may run before it; but the first process of a container
  // outlives it.
  return new Promise(() => setTimeout(() => process.exit(128 + os.constants.signals[signal]), 100))
}

/** Acts when the signal is aborted, or at once where it was already. */
export function onAbort(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act)
}
