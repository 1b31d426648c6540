import minimist from 'minimist'
import { EXIT, ToolError } from './exit.js'

/** One option of a tool. */
export interface OptionSpec {
  /** What the value is called in help, `SIZE`, in lower case what it may be, `zlib|none`; absent for a flag. */
  readonly value?: string
  /** What the value may be, where its name does not list it (`zlib|snappy`). */
  readonly choices?: readonly string[]
  /** One letter. */
  readonly short?: string
  /** May be given more than once. */
  readonly repeat?: boolean
  /** Its values are all words up to the next option. */
  readonly greedy?: boolean
  readonly help: string
}
export type OptionTable = Readonly<Record<string, OptionSpec>>

/** What the user gave. Every value is a string until the tool says otherwise. */
export interface Options {
  flag(name: string): boolean
  value(name: string): string | undefined
  values(name: string): readonly string[]
}

export interface Arguments {
  readonly options: Options
  readonly operands: readonly string[]
}

/**
 * Parses arguments strictly: unknown and doubled options, missing values, values given to flags and empty
 * operands are refused.
 * @throws {ToolError} usage, naming the argument
 */
export function parseArguments(words: readonly string[], table: OptionTable): Arguments {
  const parsed = minimist(spellOut(words, table), { string: ['_', ...Object.keys(table)] })
  if (parsed._.includes('')) throw new ToolError(EXIT.usage, 'an operand is empty')
  const values = (name: string): string[] => {
    const value = parsed[name] as string | string[] | undefined
    return value === undefined ? [] : [value].flat()
  }
  return {
    options: {
      flag: (name) => parsed[name] !== undefined,
      value: (name) => values(name)[0],
      values,
    },
    operands: parsed._,
  }
}

/**
 * The same words in the one spelling that minimist takes as it is meant, `--name=value` and operands behind
 * `--`: left to itself it reads `--no-x` as x = false, takes `true` behind a flag for its value, and splits
 * `-Cdir`.
 */
function spellOut(words: readonly string[], table: OptionTable): string[] {
  const spelled: string[] = []
  const operands: string[] = []
  const seen = new Set<string>()

  const end = words.includes('--') ? words.indexOf('--') : words.length
  const isOption = (word: string | undefined) => word === undefined || /^-./s.test(word)

  /** Takes an option; tells how many of the words behind it were its values. */
  function option(name: string, shown: string, attached: string | undefined, at: number): number {
    const spec = Object.hasOwn(table, name) ? table[name] : undefined
    if (!spec) throw new ToolError(EXIT.usage, `${shown}: unknown option`)
    if (seen.has(name) && !spec.repeat) throw new ToolError(EXIT.usage, `${shown}: given twice`)
    seen.add(name)
    if (spec.value === undefined && attached !== undefined)
      throw new ToolError(EXIT.usage, `${shown}: takes no value`)
    if (spec.value === undefined) {
      spelled.push(`--${name}=`)
      return 0
    }
    const next = words[at + 1]
    const value = attached ?? (isOption(next) ? '' : next)
    if (!value) throw new ToolError(EXIT.usage, `${shown}: needs a value (${spec.value})`)
    spelled.push(`--${name}=${value}`)
    let taken = attached === undefined ? 1 : 0
    if (spec.greedy)
      for (; at + taken + 1 < end && !isOption(words[at + taken + 1]); taken++)
        spelled.push(`--${name}=${words[at + taken + 1]}`)
    return taken
  }

  /** Takes `-tv`, `-j4`, `-j=4`, `-j 4`; tells how many of the words behind were the last one's values. */
  function cluster(letters: string, at: number): number {
    for (let index = 0; index < letters.length; index++) {
      const letter = letters[index]!
      const name = Object.keys(table).find((key) => table[key]!.short === letter) ?? ''
      const rest = letters.slice(index + 1).replace(/^=/, '')
      if (table[name]?.value !== undefined) return option(name, `-${letter}`, rest || undefined, at)
      option(name, `-${letter}`, undefined, at)
    }
    return 0
  }

  for (let at = 0; at < end; at++) {
    const word = words[at]!
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(word)
    if (long) at += option(long[1]!, `--${long[1]}`, long[2], at)
    else if (isOption(word)) at += cluster(word.slice(1), at)
    else operands.push(word)
  }
  return [...spelled, '--', ...operands, ...words.slice(end + 1)]
}
