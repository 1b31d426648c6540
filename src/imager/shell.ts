import { rawArguments } from '../platform/linux/raw-arguments.js'
import type { Plan, Stage } from './plan.js'

interface Shell {
  /** Between commands of which each runs whatever came of the one before. */
  readonly separator: string
  quoted(word: string): string
}

/** The command line that does what a plan does, for a POSIX shell; on Windows for cmd. */
export function shellLine(plan: Plan | Stage, platform: NodeJS.Platform = process.platform): string {
  const shell = platform === 'win32' ? CMD : POSIX
  const command = (stage: Stage) => commandFor(shell, stage)
  if ('tool' in plan) return command(plan)
  const sources = plan.sources.map(command).join(shell.separator)
  const head = plan.sources.length > 1 ? `(${sources})` : sources
  return [head, ...plan.transforms.map(command), command(plan.sink)].join(' | ')
}

function commandFor(shell: Shell, { tool, words }: Stage): string {
  const raw = rawArguments(words)
  const given = words.map((word, index) => (raw[index] ? spelled(raw[index]) : shell.quoted(word)))
  return [tool, ...given].join(' ')
}

/** Bytes that are no text, for a shell that takes only text. */
const spelled = (bytes: Buffer) =>
  `"$(printf '${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}')"`

const POSIX: Shell = {
  separator: '; ',
  quoted: (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`),
}

const CMD: Shell = {
  separator: ' & ',
  // A program takes a backslash before a quotation mark for its escape.
  quoted: (word) => (/^[\w@+:./\\-]+$/.test(word) ? word : `"${word.replace(/\\+$/, '$&$&')}"`),
}
