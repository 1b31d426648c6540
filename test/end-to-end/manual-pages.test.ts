import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { toolOf } from '../../build/tools.js'

const tools = readdirSync('bin')
const pages = readdirSync('man')
const files = pages.map((page) => path.join('man', page))
const textOf = (page: string) => readFileSync(path.join('man', page), 'utf8')

test('mandoc finds nothing wrong with the manual, its style included', (t) => {
  const { stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', '-W', 'style', ...files], {
    encoding: 'utf8',
  })
  const found = stdout.split('\n').filter((line) => line !== '' && !line.includes(OF_ITS_SOURCE))
  t.deepEqual(found, [])
  t.is(stderr, '')
})

/** The pages are as wide as the code; what mandoc shows of them is not. */
const OF_ITS_SOURCE = 'STYLE: input text line longer than 80 bytes'

for (const file of files)
  test(`groff finds nothing wrong with ${file}`, (t) => {
    t.is(spawnSync('man', ['--warnings', '-l', file], { encoding: 'utf8' }).stderr, '')
  })

/** The options of a table as they are written, `-j` and `--jobs`, and whether they take a value. */
type Written = Map<string, boolean>

const written = (long: string, short: string | undefined, value: boolean): [string, boolean][] => [
  [long, value],
  ...(short ? [[short, value] satisfies [string, boolean]] : []),
]

async function ownOptions(name: string): Promise<Written> {
  const { options } = await toolOf(name)
  return new Map(
    Object.entries(options).flatMap(([long, { short, value }]) =>
      written(`--${long}`, short && `-${short}`, value !== undefined),
    ),
  )
}

/** Also those that all tools of its role have. */
function allOptions(name: string): Written {
  const help = execFileSync(path.join('bin', name), ['--help'], { encoding: 'utf8' })
  const rows = [...help.matchAll(/^ {2}(?:(-\w), | {4})(--[\w-]+)( \S+)?/gm)]
  return new Map(rows.flatMap(([, short, long, value]) => written(long!, short, value !== undefined)))
}

/** A line of roff as it is read, without fonts. */
function shown(line: string): string {
  const plain = line
    .replace(/\\f[BIPR]/g, '')
    .replaceAll('\\-', '-')
    .replaceAll('\\(aq', "'")
  if (!plain.startsWith('.')) return plain
  const [macro, ...words] = plain.match(/"[^"]*"|\S+/g)!
  return words.map((word) => word.replaceAll('"', '')).join(/^\.[BI]$/.test(macro!) ? ' ' : '')
}

/** Every option that a text names; whether a word stands behind it that is none. */
const namedIn = (text: string): [name: string, value: boolean][] =>
  [...text.matchAll(/(?<![\w/-])(--?[a-zA-Z][\w-]*)([^,\n]*)/g)].map(([, name, behind]) => [
    name!,
    /\w/.test(behind!),
  ])

/** The entries of a page's lists. */
const entriesOf = (text: string): Written =>
  new Map([...text.matchAll(/^\.TP\n(.*)$/gm)].flatMap(([, head]) => namedIn(shown(head!))))

const optionsSection = (page: string) => /^\.SH OPTIONS\n(.*?)^\.SH /ms.exec(textOf(page))?.[1] ?? ''

/** What the page says in sentences, not in commands. */
const proseOf = (page: string) =>
  textOf(page)
    .replace(/^\.nf\n.*?^\.fi$/gms, '')
    .split('\n')
    .map(shown)
    .join('\n')

const overview = proseOf('pmem.7')
const explainedForAll = entriesOf(textOf('pmem.7'))
const namedForAll = new Map(namedIn(overview))
/** Their page is that of pmem. */
const OTHER_NAMES = ['linpmem', 'osxpmem', 'winpmem']
const isNamedIn = (text: string, name: string) =>
  new RegExp(`^\\.BR? ${name.replaceAll('-', '\\\\-')}(?! \\(7)( |$)`, 'm').test(text)

for (const name of tools) {
  const page = `${name}.1`

  test(`every option of ${name} stands in its page, and no other`, async (t) => {
    const own = await ownOptions(name)
    const all = allOptions(name)
    const entries = entriesOf(optionsSection(OTHER_NAMES.includes(name) ? 'pmem.1' : page))
    for (const option of own.keys())
      t.true(entries.has(option) || explainedForAll.has(option), `${option} stands nowhere`)
    for (const option of all.keys())
      t.true(own.has(option) || namedForAll.has(option), `pmem(7) lacks ${option}`)
    for (const [option, value] of entries) {
      t.true(all.has(option), `${name} has no ${option}`)
      if (option.startsWith('--')) t.is(value, all.get(option)!, option)
    }
  })

  test(`the page of ${name} speaks of no option that neither it nor a tool named there has`, (t) => {
    const text = textOf(page)
    const named = tools.filter((other) => other === name || isNamedIn(text, other))
    const known = new Set(named.flatMap((other) => [...allOptions(other).keys()]))
    const spoken = namedIn(proseOf(page)).filter(([option]) => option.startsWith('--'))
    t.deepEqual(
      spoken.filter(([option]) => !known.has(option)),
      [],
    )
  })

  test(`${name} is in the package, the overview and the README`, (t) => {
    const { bin, man } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      bin: Record<string, string>
      man: string[]
    }
    t.is(bin[name], `bin/${name}`)
    t.true(man.includes(`man/${page}`))
    t.regex(overview, new RegExp(`(?<![\\w-])${name}\\(1\\)`))
    t.regex(readFileSync('README.md', 'utf8'), new RegExp(`^\\| .*\`${name}\``, 'm'))
  })
}
