import type { OptionSpec } from './arguments.js'

/** `--deterministic`, which means the same for every sink that has something of its own to say. */
export const DETERMINISTIC: OptionSpec = {
  help: 'the same input always gives the same bytes: no times, hosts or random names',
}
