import type { Described, Words } from './describe.js'

/** For bash from 3.2 on: one function for all tools, and two tables. */
export function bashCompletion(tools: readonly Described[]): string {
  return `# Completes words for the tools of pmem in bash. Made of their own tables of options.

_pmem_options() {
  case $1 in
${tools.map(({ name, options }) => `    ${name}) echo '${options.flatMap(spellings).join(' ')}' ;;\n`).join('')}  esac
}

# What the value of an option may be; behind anything else stand operands.
_pmem_words() {
  case "$1 $2" in
${cases(tools.flatMap(valuesOf))}  esac
  case $1 in
${cases(tools.map(({ name, operands }) => [name, operands]))}  esac
}

_pmem() {
  local tool=\${1##*/} word=$2 option=$3 index words
  local IFS=$'\\n'
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    [[ \${COMP_WORDS[index]} != -- ]] || { option=-- && break; }
  done
  if [[ $option != -- && $word == -* ]]; then
    COMPREPLY=($(IFS=' ' compgen -W "$(_pmem_options "$tool")" -- "$word"))
    return
  fi
  # Readline takes --name=value for three words, and several short options may be one.
  if [[ $word == = ]]; then
    word=
    option=\${COMP_WORDS[COMP_CWORD - 1]}
  elif [[ $option == = ]]; then
    option=\${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $option == -[!-]?* ]]; then
    option=-\${option:\${#option}-1}
  fi
  words=$(_pmem_words "$tool" "$option")
  case $words in
    *' file') compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "$word")) ;;
    *' folder')
      COMPREPLY=($(compgen -d -- "$word"))
      compopt -o filenames 2>/dev/null
      ;;
    *' process') words="\${words% process} $(cd /proc 2>/dev/null && echo [0-9]*)" ;;
  esac
  case $words in
    *' file' | *' folder') ;;
    *) COMPREPLY=($(IFS=' ' compgen -W "\${words% nothing}" -- "$word")) ;;
  esac
}

complete -F _pmem ${tools.map(({ name }) => name).join(' ')}
`
}

type Case = readonly [what: string, words: Words | undefined]

const spellings = ({ long, short }: { long: string; short: string | undefined }): string[] => [
  ...(short === undefined ? [] : [`-${short}`]),
  `--${long}`,
]

const valuesOf = ({ name, options }: Described): Case[] =>
  options.flatMap((option) =>
    option.value ? spellings(option).map((spelling): Case => [`'${name} ${spelling}'`, option.value]) : [],
  )

/** A branch for each answer: choices, and the kind as the last word. */
function cases(all: readonly Case[]): string {
  const branches = new Map<string, string[]>()
  for (const [what, words] of all) {
    if (!words) continue
    const answer = [...words.choices, words.kind].join(' ')
    branches.set(answer, [...(branches.get(answer) ?? []), what])
  }
  return [...branches]
    .map(
      ([answer, what]) => `    ${what.join(' | \\\n      ')})\n      echo ' ${answer}' && return\n      ;;\n`,
    )
    .join('')
}
