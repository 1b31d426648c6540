import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { allTools } from '../../build/tools.js'
import { tableOf } from '../../src/cli/launch.js'
import type { Tool } from '../../src/cli/tool.js'
import { openShell, PATIENCE } from '../cli/shell.js'
import { typing } from '../cli/typing.js'

const SHELLS = {
  bash: ['bash', '--norc', path.resolve('test/end-to-end/completions/ask.bash')],
  zsh: ['zsh', '-f', path.resolve('test/end-to-end/completions/ask.zsh')],
  fish: ['fish', '--no-config', path.resolve('test/end-to-end/completions/ask.fish')],
} as const

const FILE = 'evidence.aff4'
const FOLDER = 'folder'
const folder = mkdtempSync(path.join(tmpdir(), 'pmem-completions-'))
test.after.always(() => rmSync(folder, { recursive: true }))
writeFileSync(path.join(folder, FILE), '')
mkdirSync(path.join(folder, FOLDER))

/** What stands for a value in help, and what a shell has to offer for it. A new name has to find its place here. */
const OFFERED: Readonly<Record<string, readonly string[]>> = {
  FILE: [FILE, FOLDER],
  'FILE…': [FILE, FOLDER],
  OUT: [FILE, FOLDER],
  DIR: [FOLDER],
  CATEGORY: [],
  N: [],
  NAME: [],
  PID: [],
  RANGE: [],
  SECONDS: [],
  SIZE: [],
  'SIZE|PERCENT%': [],
  STREAM: [],
  TEXT: [],
  VOLUME: [FILE, FOLDER],
}

/** Tools whose operands are neither files nor listed in their usage. */
const OPERANDS: Readonly<Record<string, readonly string[]>> = {
  'pmem-chunk': [],
  'pmem-hash': ['blake2b512', 'md5', 'sha1', 'sha256', 'sha512'],
  'pmem-read-ssh': [],
  'pmem-throttle': [],
}

const isList = (name: string) => /^[a-z0-9]+(\|[a-z0-9]+)*$/.test(name)

function offeredFor(name: string, choices: readonly string[] | undefined): readonly string[] {
  const known = choices ?? (isList(name) ? name.split('|') : OFFERED[name])
  if (!known) throw new Error(`OFFERED does not say what is to be offered for ${name}`)
  return [...known].sort()
}

function operandsOf({ name, usage, operands }: Tool): readonly string[] {
  if (operands[1] === 0) return []
  return OPERANDS[name] ?? (isList(usage) ? usage.split('|').sort() : [FILE, FOLDER])
}

/** What somebody may have typed when he asks, and what is to be offered, in order. */
function questionsOf(tool: Tool): [line: string, offered: readonly string[]][] {
  const { name } = tool
  const options = Object.entries(tableOf(tool))
  const long = options.map(([option]) => `--${option}`)
  const short = options.flatMap(([, { short }]) => (short ? [`-${short}`] : []))
  return [
    [`${name} -`, [...long, ...short].sort()],
    [`${name} --`, long.sort()],
    ...(name === 'pmem-read-process' ? [] : [[`${name} `, operandsOf(tool)] as [string, readonly string[]]]),
    ...options.flatMap(([option, { value, short, choices }]): [string, readonly string[]][] => {
      if (value === undefined) return []
      const offered = offeredFor(value, choices)
      const spelled = [`--${option}=`, `--${option} `, ...(short ? [`-${short} `] : [])]
      return spelled.map((words) => [`${name} ${words}`, offered])
    }),
  ]
}

async function askShell(
  shell: keyof typeof SHELLS,
  lines: readonly string[],
): Promise<Map<string, string[]>> {
  const [command, ...words] = SHELLS[shell]
  const child = spawn(command, words, {
    cwd: folder,
    env: { ...process.env, COMPLETIONS: path.resolve('completions') },
    stdio: ['pipe', 'pipe', 'inherit'],
    ...PATIENCE,
  })
  let answers = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    answers += text
  })
  child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 0) throw new Error(`${shell}: status ${status}`)
  return new Map(
    answers.split(/^\? /m).map((answer) => {
      const [line, ...offered] = answer.split('\n')
      return [line!, offered.filter(Boolean)]
    }),
  )
}

/** A shell may offer the option with its value, a folder with its slash, and options where there is nothing else. */
function settled(line: string, offered: readonly string[]): string[] {
  const [, option] = /(--[\w-]+=)[^ ]*$/.exec(line) ?? []
  const words = offered.map((word) =>
    (option && word.startsWith(option) ? word.slice(option.length) : word).replace(/\/$/, ''),
  )
  const asked = / -[^ =]*$/.test(line)
  return [...new Set(words)].filter((word) => asked || !word.startsWith('-')).sort()
}

for (const shell of Object.keys(SHELLS) as (keyof typeof SHELLS)[])
  test(`${shell} completes every option of every tool, its value, and operands`, async (t) => {
    const questions = (await allTools()).flatMap(questionsOf)
    t.true(questions.length > 500)
    const answers = await askShell(
      shell,
      questions.map(([line]) => line),
    )
    for (const [line, offered] of questions) {
      const answer = answers.get(line)
      if (!answer) t.fail(`${line}: no answer`)
      else t.deepEqual(settled(line, answer), offered, line)
    }
  })

test('each shell knows the processes there are', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const offered = (await askShell(shell, ['pmem-read-process '])).get('pmem-read-process ')!
    t.true(offered.includes('self'), shell)
    t.true(offered.filter((word) => /^[0-9]+$/.test(word)).length > 0, shell)
    t.deepEqual(
      offered.filter((word) => !/^([0-9]+|self)$/.test(word)),
      [],
    )
  }
})

test('behind -- every word is an operand, and a word that was begun is ended', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const lines = [
      'file-cat -- -',
      'file-cat -- ',
      'pmem-hash sha2',
      'pmem-read --no-c',
      'aff4-sink --layout=re',
    ]
    const answers = await askShell(shell, lines)
    t.deepEqual(
      lines.map((line) => settled(line, answers.get(line)!)),
      [[], [FILE, FOLDER], ['sha256'], ['--no-collect'], ['rekall']],
      shell,
    )
  }
})

test('what is typed into bash is completed by its own editor, names with spaces, too', async (t) => {
  const shell = openShell(t)
  writeFileSync(path.join(shell.folder, 'an image'), '')
  const typed = `
until(b'$ ')
os.write(fd, b'. "$COMPLETIONS/pmem.bash"; PS1="ready""> "\\n')
def complete(line, expected):
    os.write(fd, line + b'\\t')
    until(expected)
    os.write(fd, b'\\x15')
until(b'ready> ')
complete(b'pmem-compress sna', b'snappy ')
complete(b'aff4-sink --layout=rek', b'--layout=rekall ')
complete(b'aff4-sink --layout rek', b'--layout rekall ')
complete(b'file-cat an', b'an\\\\ image')
complete(b'pmem-read --no-c', b'--no-collect ')
os.write(fd, b'exit\\n')
`
  const { status, stderr } = await shell.run(
    `export COMPLETIONS='${path.resolve('completions')}'; ${typing("PS1='$ ' exec bash --norc --noprofile -i", typed)}`,
  )
  t.is(status, 0, stderr)
})

test('each shell finds its file in the package', (t) => {
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }]
  t.deepEqual(
    files.map(({ path }) => path).filter((path) => path.startsWith('completions/')),
    ['_pmem', 'pmem.bash', 'pmem.fish'].map((name) => `completions/${name}`),
  )
})
