import type { Plan, Stage } from './plan.js'

/** The command line that does what a plan does, for a POSIX shell. */
export function shellLine(plan: Plan | Stage): string {
  if ('tool' in plan) return command(plan)
  const sources = plan.sources.map(command).join('; ')
  const head = plan.sources.length > 1 ? `(${sources})` : sources
  return [head, ...plan.transforms.map(command), command(plan.sink)].join(' | ')
}

const command = ({ tool, words }: Stage) => [tool, ...words.map(quoted)].join(' ')

const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
