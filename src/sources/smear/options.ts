import { randomInt } from 'node:crypto'
import type { Options, OptionTable } from '../../cli/arguments.js'
import { EXIT, ToolError } from '../../cli/exit.js'
import type { Context } from '../../cli/tool.js'

/** Of memory that is read while it changes. */
export const RESAMPLE_OPTIONS: OptionTable = {
  resample: { value: 'N', help: 'pages to read again at the end, to tell how many changed; 0 for none' },
  seed: { value: 'N', help: 'which pages these are' },
}

/** What a user asks for. */
export interface Resampling {
  /** Undefined where the source decides. */
  readonly pages: number | undefined
  readonly seed: number
  readonly interrupted: AbortSignal
}

const MOST_PAGES = 16384
const SEEDS = 2 ** 32

/** @throws {ToolError} usage */
export function resamplingOf({ options, io }: Pick<Context, 'options' | 'io'>): Resampling {
  return {
    pages: numberOf(options, 'resample', MOST_PAGES),
    seed: numberOf(options, 'seed', SEEDS - 1) ?? randomInt(SEEDS),
    interrupted: io.interrupted,
  }
}

function numberOf(options: Options, name: string, most: number): number | undefined {
  const word = options.value(name)
  if (word === undefined) return undefined
  const number = Number(word)
  if (/^[0-9]{1,10}$/.test(word) && number <= most) return number
  throw new ToolError(EXIT.usage, `--${name} ${word}: not a number from 0 to ${most}`)
}
