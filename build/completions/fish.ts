import type { Described, Option, Words } from './describe.js'

/** For fish: a line for each option. */
export function fishCompletion(tools: readonly Described[]): string {
  return `# Completes words for the tools of pmem in fish. Made of their own tables of options.
${tools.map(ofTool).join('')}`
}

const ofTool = ({ name, options, operands }: Described): string =>
  [
    '',
    `complete -c ${name} ${operands ? offer(operands) : '-f'}`,
    ...options.map((option) => `complete -c ${name} ${specification(option)}`),
    '',
  ].join('\n')

function specification({ long, short, help, value }: Option): string {
  return [
    ...(short === undefined ? [] : [`-s ${short}`]),
    `-l ${long}`,
    ...(value ? [`-r ${offer(value)}`] : []),
    `-d ${quote(help)}`,
  ].join(' ')
}

const MADE = {
  // By itself it would look for folders that begin with `--directory=`.
  folder: ["(__fish_complete_directories (commandline -ct | string replace -r '^-[^=]*=' ''))"],
  process: ['(__fish_complete_pids)'],
  nothing: [],
} as const

/** Files where they may be some, and the words that are known. */
function offer({ choices, kind }: Words): string {
  if (kind === 'file') return '-F'
  const words = [...choices, ...MADE[kind]]
  return words.length > 0 ? `-f -a ${quote(words.join(' '))}` : '-f'
}

const quote = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`
