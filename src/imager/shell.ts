import { rawArguments } from '../platform/linux/raw-arguments.js'
import { shellWord } from '../platform/shell-word.js'
import type { Plan, Stage } from './plan.js'

/** The command line that does what a plan does, for a POSIX shell; on Windows for cmd. */
export function shellLine(plan: Plan | Stage, platform: NodeJS.Platform = process.platform): string {
  const command = (stage: Stage) => commandFor(platform, stage)
  if ('tool' in plan) return command(plan)
  const sources = plan.sources.map(command).join(platform === 'win32' ? ' & ' : '; ')
  const head = plan.sources.length > 1 ? `(${sources})` : sources
  return [head, ...plan.transforms.map(command), command(plan.sink)].join(' | ')
}

function commandFor(platform: NodeJS.Platform, { tool, words }: Stage): string {
  const raw = rawArguments(words)
  const given = words.map((word, index) => (raw[index] ? spelled(raw[index]) : shellWord(word, platform)))
  return [tool, ...given].join(' ')
}

/** Bytes that are no text, for a shell that takes only text. */
const spelled = (bytes: Buffer) =>
  `"$(printf '${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}')"`
