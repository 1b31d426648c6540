import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { EXIT, ToolError } from '../../../src/cli/exit.js'
import { expand, isPattern } from '../../../src/sources/files/glob.js'
import { folder } from './support.js'

const found = (pattern: string) =>
  [
    ...expand(pattern, (at, error) => {
      throw new Error(`${at}: ${error}`)
    }),
  ].map((match) => match.toString('latin1'))

/** What bash makes of the pattern, hidden names included; `below` a match nothing more is wanted. */
function bash(cwd: string, pattern: string): string[] {
  const script = 'shopt -s dotglob globstar nullglob; GLOBIGNORE=.:..; printf "%s\\0" $1'
  const out = execFileSync('bash', ['-c', `IFS=; ${script}`, 'bash', pattern], {
    cwd,
    encoding: 'latin1',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
  const matches = new Set(
    out
      .split('\0')
      .filter((match) => match !== '')
      .map((match) => match.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '')),
  )
  return [...matches].filter((match) => !ancestors(match).some((above) => matches.has(above))).sort()
}

function ancestors(match: string): string[] {
  const parts = match.split('/')
  return parts.slice(1).map((_, count) => parts.slice(0, count + 1).join('/') || '/')
}

/** A tree with names that pattern characters can trip over. */
function tree(root: string): void {
  for (const directory of ['a', 'a/b', 'a/b/c', 'a/.hidden', 'x[1]', 'deep/deep/deep', 'empty'])
    mkdirSync(path.join(root, directory), { recursive: true })
  for (const file of [
    'a/one.txt',
    'a/two.txt',
    'a/b/three.txt',
    'a/b/c/four.txt',
    'a/.hidden/five.txt',
    '.dot',
    'x[1]/y',
    'star*',
    'que?tion',
    'back\\slash',
    'new\nline',
    'ä',
    'ää',
    '-dash',
    '!bang',
    '^caret',
    ']bracket',
    'deep/deep/deep/leaf',
    'b-c',
    'bbc',
    'Z',
    'z',
  ])
    writeFileSync(path.join(root, file), '')
  writeFileSync(Buffer.from(`${root}/latin\xe9`, 'latin1'), '')
  symlinkSync('nowhere', path.join(root, 'dangling'))
}

const PATTERNS = [
  '*',
  'a/*',
  'a/*.txt',
  '*/*.txt',
  '**/*.txt',
  '**/f*',
  'a/**/four.txt',
  '**/deep/**/leaf',
  '?',
  '??',
  'latin?',
  '[ab]*',
  '[!ab]*',
  '[^ab]*',
  '[]]*',
  '[!]]bracket',
  '[a-c]*',
  '[a-]*',
  '[!-]*',
  'x\\[1\\]/*',
  'x[[]1]/*',
  'star[*]',
  'que[?]tion',
  'back\\\\*',
  'back[\\\\]slash',
  '*/',
  'a/*/',
  'nothing*',
  'a/*/c/*',

  'a//b/*',
  '[ä]',
  '[ä-ö]*',
  '*l[a-z]*',
  '**/b/**/c/**/four*',
  'dang*',
  '*[!x]',
  '[[]',
  'x[1]/y',
  'a/b/../*.txt',
  'a]*',
  '***',
]

/** Relative patterns, in a process that has its working directory there: a worker of the tests cannot change its own. */
function foundIn(cwd: string, patterns: readonly string[]): string[][] {
  const script = `
    const { expand } = await import(process.argv[1])
    const unlisted = (path, error) => { throw error }
    const all = JSON.parse(process.argv[2]).map((pattern) => [...expand(pattern, unlisted)].map((path) => path.toString('latin1')))
    console.log(JSON.stringify(all))`
  const module = new URL('../../../src/sources/files/glob.js', import.meta.url).href
  const words = ['--input-type=module', '-e', script, module, JSON.stringify(patterns)]
  return JSON.parse(execFileSync(process.execPath, words, { cwd, encoding: 'utf8' }))
}

test('patterns match what bash matches', (t) => {
  const root = folder(t)
  tree(root)
  const patterns = PATTERNS.filter(isPattern)
  const relative = foundIn(root, patterns)
  for (const [index, pattern] of patterns.entries()) {
    t.deepEqual([...relative[index]!].sort(), bash(root, pattern), pattern)
    t.deepEqual(found(`${root}/${pattern}`).sort(), bash('/', `${root}/${pattern}`), `${root}/${pattern}`)
  }
})

test('a link to a directory leads on where the pattern names it, not below a **', (t) => {
  const root = folder(t)
  tree(root)
  symlinkSync('a', path.join(root, 'link'))
  symlinkSync('.', path.join(root, 'a/loop'))
  const below = (pattern: string) => found(`${root}/${pattern}`).map((match) => match.slice(root.length + 1))
  t.deepEqual(below('link/*.txt'), ['link/one.txt', 'link/two.txt'])
  t.deepEqual(below('l*/b/*.txt'), ['link/b/three.txt'])
  t.deepEqual(below('a/loop/loop/o*'), ['a/loop/loop/one.txt'])
  t.deepEqual(below('**/one.txt'), ['a/one.txt'])
  t.deepEqual(below('**/loop'), ['a/loop'])
})

test('a final ** is the directory itself, which is read whole', (t) => {
  const root = folder(t)
  tree(root)
  t.deepEqual(found(`${root}/a/**`), [`${root}/a`])
  t.deepEqual(foundIn(root, ['**', '**/', 'a/**/']), [['.'], ['.'], ['a']])
})

test('a backslash takes a character as it is', (t) => {
  const root = folder(t)
  tree(root)
  t.deepEqual(found(`${root}/star\\*`), [`${root}/star*`])
  t.deepEqual(found(`${root}/que\\?t*`), [`${root}/que?tion`])
})

test('matches come in byte order', (t) => {
  const root = folder(t)
  tree(root)
  const [matches] = foundIn(root, ['*'])
  t.deepEqual(matches, [...matches!].sort())
})

test('no match is looked for below a match', (t) => {
  const root = folder(t)
  for (const directory of ['x/x/x', 'y/x']) mkdirSync(path.join(root, directory), { recursive: true })
  t.deepEqual(found(`${root}/**/x`), [`${root}/x`, `${root}/y/x`])
})

test('a directory that only lets itself be passed is no obstacle to a name without a pattern', (t) => {
  const listed: string[] = []
  const pattern = '/proc/self/../[s]elf/stat'
  for (const match of expand(pattern, (at) => listed.push(at.toString())))
    t.is(match.toString(), '/proc/self/../self/stat')
  t.deepEqual(listed, [])
})

test('hostile patterns cost no more than their length', (t) => {
  const root = folder(t)
  const name = 'a'.repeat(255)
  for (let depth = 0, at = root; depth < 8; depth++) {
    at = path.join(at, 'd')
    mkdirSync(at)
    writeFileSync(path.join(at, name), '')
  }
  const began = process.cpuUsage()
  t.deepEqual(found(`${root}/${'**/'.repeat(300)}nothing`), [])
  t.deepEqual(found(`${root}/${'**/d/'.repeat(200)}nothing`), [])
  t.deepEqual(found(`${root}/**/${'*a'.repeat(120)}*b`), [])
  t.deepEqual(found(`${root}/**/${'[a]*'.repeat(1000)}b`), [])
  t.deepEqual(found(`${root}/${'['.repeat(10_000)}`), [])
  t.is(found(`${root}/**/${'?'.repeat(255)}`).length, 8)
  // What grows exponentially would not end in years.
  t.true(process.cpuUsage(began).user < 60_000_000)
})

test('classes by name are refused, rather than misread', (t) => {
  const error = t.throws(() => found('/tmp/[[:digit:]]*'), { instanceOf: ToolError })
  t.is(error.exitCode, EXIT.usage)
})

test('any pattern ends, and matches only what is there', (t) => {
  // Deep enough that no pattern climbs out: what others have there comes and goes.
  const root = path.join(folder(t), '1/2/3/4/5/6')
  mkdirSync(root, { recursive: true })
  tree(root)
  const piece = fc.constantFrom(
    '*',
    '**',
    '?',
    '[',
    ']',
    '!',
    '-',
    'a',
    'b',
    '/',
    '.',
    '..',
    '\\',
    '[a-z]',
    'é',
    '\ufffd',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      for (const match of expand(`${root}/${pieces.join('')}*`, () => {})) t.truthy(lstatSync(match))
    }),
    { numRuns: 200 },
  )
})
