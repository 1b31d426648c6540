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
 * Parses arguments strictly. minimist splits the words; what it would let pass is refused: unknown and
 * doubled options, missing values, values given to flags, too few or too many operands.
 * @param operands fewest and most operands
 * @throws {ToolError} usage, naming the argument
 */
export function parseArguments(
  words: readonly string[],
  table: OptionTable,
  operands: readonly [number, number],
): Arguments {
  countOptions(words, table)
  const names = Object.keys(table)
  const isFlag = (name: string) => table[name]!.value === undefined
  const shorts = names.flatMap((name) => (table[name]!.short ? [[table[name]!.short, name]] : []))
  const parsed = minimist([...words], {
    boolean: names.filter(isFlag).map(minimistName),
    string: ['_', ...names.filter((name) => !isFlag(name))],
    alias: Object.fromEntries(shorts) as Record<string, string>,
    default: Object.fromEntries(
      names.filter((name) => minimistName(name) !== name).map((name) => [minimistName(name), true]),
    ),
  })
  const options: Options = {
    flag: (name) => parsed[minimistName(name)] === (minimistName(name) === name),
    value: (name) => valuesOf(name)[0],
    values: valuesOf,
  }
  function valuesOf(name: string): string[] {
    const value = parsed[name] as string | string[] | undefined
    return value === undefined ? [] : Array.isArray(value) ? value : [value]
  }
  for (const name of names)
    if (!isFlag(name) && valuesOf(name).includes(''))
      throw new ToolError(EXIT.usage, `--${name}: needs a value (${table[name]!.value})`)
  if (parsed._.length < operands[0]) throw new ToolError(EXIT.usage, 'an operand is missing')
  if (parsed._.length > operands[1])
    throw new ToolError(EXIT.usage, `${parsed._[operands[1]]}: one operand too many`)
  return { options, operands: parsed._ }
}

/** minimist reads `--no-x` as x = false, whatever is declared. */
const minimistName = (name: string) => name.replace(/^no-/, '')

/** Refuses what minimist swallows: unknown options, a flag given twice, a flag with a value. */
function countOptions(words: readonly string[], table: OptionTable): void {
  const seen = new Set<string>()
  const count = (name: string, shown: string) => {
    const spec = Object.hasOwn(table, name) ? table[name] : undefined
    if (!spec) throw new ToolError(EXIT.usage, `${shown}: unknown option`)
    if (seen.has(name) && !spec.repeat) throw new ToolError(EXIT.usage, `${shown}: given twice`)
    seen.add(name)
    return spec
  }
  for (const word of words) {
    if (word === '--') return
    const long = /^--([^=]+)(=)?/s.exec(word)
    if (long) {
      const spec = count(long[1]!, `--${long[1]}`)
      if (long[2] && spec.value === undefined) throw new ToolError(EXIT.usage, `--${long[1]}: takes no value`)
    } else if (/^-./s.test(word)) {
      for (const letter of word.slice(1)) {
        const name = Object.keys(table).find((key) => table[key]!.short === letter)
        if (count(name ?? '', `-${letter}`).value !== undefined) break
      }
    }
  }
}
