import type { Described, Option, Words } from './describe.js'

/** For zsh's own completion system: a function that is found by its first line. */
export function zshCompletion(tools: readonly Described[]): string {
  return `#compdef ${tools.map(({ name }) => name).join(' ')}
# Completes words for the tools of pmem in zsh. Made of their own tables of options.

case $service in
${tools.map(branch).join('')}esac
`
}

const branch = ({ name, options, operands }: Described): string =>
  `  ${name})
    _arguments -s -S ${[...options.map(specification), ...(operands ? [quote(`*${argument(operands)}`)] : [])].join(' \\\n      ')}
    ;;
`

/** `'(-o --output)'{-o+,--output=}'[where to]:OUT:_files'`: with a value, in all the ways that the tools take it. */
function specification({ long, short, help, repeat, value }: Option): string {
  const spelled = value ? `--${long}=` : `--${long}`
  const behind = `[${help.replace(/[\\[\]:]/g, '\\$&')}]${value ? argument(value) : ''}`
  if (short === undefined) return quote(`${repeat ? '*' : ''}${spelled}${behind}`)
  const once = repeat ? "'*'" : `'(-${short} --${long})'`
  return `${once}{-${short}${value ? '+' : ''},${spelled}}${quote(behind)}`
}

const ACTIONS = { file: '_files', folder: '_files -/', nothing: ' ' } as const

function argument({ name, choices, kind }: Words): string {
  const named = `:${name.replace(/[\\:]/g, '\\$&')}:`
  if (kind === 'process') return `${named}{compadd ${choices.join(' ')}; _pids}`
  return named + (choices.length > 0 && kind === 'nothing' ? `(${choices.join(' ')})` : ACTIONS[kind])
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
