import { rawArguments } from '../platform/linux/raw-arguments.js'
import type { Plan, Stage } from './plan.js'

/** The command line that does what a plan does, for a POSIX shell. */
export function shellLine(plan: Plan | Stage): string {
  if ('tool' in plan) return command(plan)
  const sources = plan.sources.map(command).join('; ')
  const head = plan.sources.length > 1 ? `(${sources})` : sources
  return [head, ...plan.transforms.map(command), command(plan.sink)].join(' | ')
}

function command({ tool, words }: Stage): string {
  const raw = rawArguments(words)
  return [tool, ...words.map((word, index) => (raw[index] ? spelled(raw[index]) : quoted(word)))].join(' ')
}

/** Bytes that are no text, for a shell that takes only text. */
const spelled = (bytes: Buffer) =>
  `"$(printf '${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}')"`

const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
