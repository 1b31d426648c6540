import { readFileSync } from 'node:fs'

/**
 * The bytes behind an argument of this process. Node decodes arguments as UTF-8 and a byte that is none becomes
 * U+FFFD: the path then names nothing, though the shell named a file that is there.
 * Undefined where no argument reads like this.
 */
export function rawArgument(argument: string): Buffer | undefined {
  if (process.platform !== 'linux') return undefined
  return splitArguments(readFileSync('/proc/self/cmdline')).find((raw) => raw.toString('utf8') === argument)
}

/** Arguments as /proc/PID/cmdline holds them: each ends with a NUL. */
export function splitArguments(commandLine: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at < commandLine.length; ) {
    const end = commandLine.indexOf(0, at)
    const stop = end < 0 ? commandLine.length : end
    found.push(commandLine.subarray(at, stop))
    at = stop + 1
  }
  return found
}
