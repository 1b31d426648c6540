import { readFileSync } from 'node:fs'

/** What stands for a byte that is no UTF-8. */
const REPLACED = '\ufffd'

/**
 * The bytes behind words that are arguments of this process. Node decodes arguments as UTF-8 and a byte that is none
 * becomes U+FFFD: the path then names nothing, though the shell named a file that is there.
 * @returns the bytes of each word; undefined where all of it was UTF-8, and where they are not known for certain
 */
export function rawArguments(words: readonly string[]): (Buffer | undefined)[] {
  if (process.platform !== 'linux' || !words.some((word) => word.includes(REPLACED)))
    return words.map(() => undefined)
  return matchArguments(words, splitArguments(readFileSync('/proc/self/cmdline')))
}

/** As `rawArguments`, of the arguments given. Those that read the same belong to equal words in their order. */
export function matchArguments(words: readonly string[], given: readonly Buffer[]): (Buffer | undefined)[] {
  const behind = new Map<string, { raw: Buffer[]; words: number; taken: number }>()
  for (const word of words)
    if (word.includes(REPLACED)) {
      const known = behind.get(word)
      if (known) known.words++
      else behind.set(word, { raw: [], words: 1, taken: 0 })
    }
  for (const raw of given) behind.get(raw.toString())?.raw.push(raw)
  return words.map((word) => {
    const of = behind.get(word)
    if (!of) return undefined
    const [first] = of.raw
    if (of.raw.every((raw) => raw.equals(first!))) return first
    // With more or fewer of them than words, nothing tells which is which.
    return of.raw.length === of.words ? of.raw[of.taken++] : undefined
  })
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
