import minimist from 'minimist'
import { EXIT, ToolError } from './exit.js'

/** One option of a tool. */
export interface OptionSpec {
  /** What the value is called in help (`SIZE`); absent for a flag. */
  readonly value?: string
  /** One letter. */
  readonly short?: string
  /** May be given more than once. */
  readonly repeat?: boolean
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

  /** Takes an option; tells whether the next word was its value. */
  function option(name: string, shown: string, attached?: string, next?: string): boolean {
    const spec = Object.hasOwn(table, name) ? table[name] : undefined
    if (!spec) throw new ToolError(EXIT.usage, `${shown}: unknown option`)
    if (seen.has(name) && !spec.repeat) throw new ToolError(EXIT.usage, `${shown}: given twice`)
    seen.add(name)
    if (spec.value === undefined && attached !== undefined)
      throw new ToolError(EXIT.usage, `${shown}: takes no value`)
    const value = attached ?? (next === undefined || /^-./s.test(next) ? '' : next)
    if (spec.value !== undefined && value === '')
      throw new ToolError(EXIT.usage, `${shown}: needs a value (${spec.value})`)
    spelled.push(spec.value === undefined ? `--${name}=` : `--${name}=${value}`)
    return spec.value !== undefined && attached === undefined
  }

  /** Takes `-tv`, `-j4`, `-j=4`, `-j 4`; tells whether the next word was the last one's value. */
  function cluster(letters: string, next: string | undefined): boolean {
    for (let at = 0; at < letters.length; at++) {
      const letter = letters[at]!
      const name = Object.keys(table).find((key) => table[key]!.short === letter) ?? ''
      const rest = letters.slice(at + 1).replace(/^=/, '')
      if (table[name]?.value !== undefined) return option(name, `-${letter}`, rest || undefined, next)
      option(name, `-${letter}`)
    }
    return false
  }

  const end = words.includes('--') ? words.indexOf('--') : words.length
  for (let at = 0; at < end; at++) {
    const word = words[at]!
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(word)
    if (long) at += Number(option(long[1]!, `--${long[1]}`, long[2], words[at + 1]))
    else if (/^-./s.test(word)) at += Number(cluster(word.slice(1), words[at + 1]))
    else operands.push(word)
  }
  return [...spelled, '--', ...operands, ...words.slice(end + 1)]
}
