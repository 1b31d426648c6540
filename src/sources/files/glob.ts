import { type BigIntStats, lstatSync, statSync } from 'node:fs'
import { EXIT, ToolError } from '../../cli/exit.js'
import { isDamage } from '../../formats/format-error.js'
import { withinReach } from '../../platform/linux/long-path.js'
import { pseudoFileSystem } from '../../platform/linux/mounts.js'
import { joinPath, listDirectory } from './directory.js'
import { codePoints } from './name.js'
import { splitRoot } from './system-path.js'

/*
 * Patterns as glob(7) has them, matched against whole names, character by character:
 *
 *   *       any characters, a leading dot included: evidence lies in dot files too
 *   ?       one character
 *   [a-z]   one of these; [!a-z] none of these
 *   **      as a whole component, any number of directories; links are not followed
 *   \x      x itself; on Windows, where \ parts names, [*] and [?] are these characters
 *
 * On Windows upper and lower case are one.
 *
 * A directory that matches is read with everything below it, so no match is looked for below a match.
 */

const WINDOWS = process.platform === 'win32'

type Token =
  | { readonly kind: 'one'; readonly point: number }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | {
      readonly kind: 'class'
      readonly negated: boolean
      readonly ranges: readonly (readonly [number, number])[]
    }

/** One name of the way, or `**`. */
type Component =
  | { readonly kind: 'name'; readonly tokens: readonly Token[]; readonly literal: Buffer | undefined }
  | { readonly kind: 'directories' }

interface Pattern {
  /** Where it begins; empty for the working directory. */
  readonly root: string
  readonly components: readonly Component[]
  readonly onlyDirectories: boolean
}

/** Told of a directory that could not be listed. */
export type Unlisted = (path: Buffer, error: unknown) => void

/** Whether an operand that names nothing as it stands can be a pattern. */
export function isPattern(operand: string): boolean {
  return /[*?[]/.test(operand)
}

/**
 * The paths that a pattern matches, in byte order of their components.
 * @throws {ToolError} usage, for a class like `[:digit:]`
 */
export function* expand(operand: string, unlisted: Unlisted): Generator<Buffer> {
  const pattern = parsePattern(operand)
  const start = Buffer.from(pattern.root)
  // Each directory is visited once with every position of the pattern that its path can have reached, so that
  // several `**` cost no more than one.
  const pending: Visit[] = [
    {
      path: start,
      device: statSync(pattern.root || '.', { bigint: true }).dev,
      at: reach(pattern, [0]),
    },
  ]
  for (let visit = pending.pop(); visit; visit = pending.pop()) {
    if (visit.at.has(pattern.components.length)) yield visit.path.length > 0 ? visit.path : Buffer.from('.')
    else pending.push(...below(pattern, visit, unlisted).reverse())
  }
}

interface Visit {
  readonly path: Buffer
  /** Of the file system it is on. */
  readonly device: bigint
  /** How many components the path has matched, in every way it can. */
  readonly at: ReadonlySet<number>
}

/** A `**` may stand for no directory at all. */
function reach(pattern: Pattern, positions: readonly number[]): Set<number> {
  const reached = new Set(positions)
  for (const at of reached) if (pattern.components[at]?.kind === 'directories') reached.add(at + 1)
  return reached
}

function below(pattern: Pattern, visit: Visit, unlisted: Unlisted): Visit[] {
  const found: Visit[] = []
  for (const name of candidates(pattern, visit, unlisted)) {
    const points = codePoints(WINDOWS ? Buffer.from(name.toString('utf8').toLowerCase()) : name)
    const named: number[] = []
    const anyDepth: number[] = []
    for (const at of visit.at) {
      const component = pattern.components[at]!
      if (component.kind === 'directories') anyDepth.push(at)
      else if (matches(component, name, points)) named.push(at + 1)
    }
    if (named.length === 0 && anyDepth.length === 0) continue

    const path = joinPath(visit.path, name)
    try {
      const stat = withinReach(path, (at) => lstatSync(at, { bigint: true }))
      const last = pattern.components.length
      const reached = named.filter(
        (at) => (at === last && !pattern.onlyDirectories) || isDirectory(path, stat),
      )
      if (stat.isDirectory() && (stat.dev === visit.device || pseudoFileSystem(stat.dev) === undefined))
        reached.push(...anyDepth)
      if (reached.length > 0) found.push({ path, device: stat.dev, at: reach(pattern, reached) })
    } catch (error) {
      if (!isDamage(error)) throw error
      if (!isAbsent(error)) unlisted(path, error)
    }
  }
  return found
}

/** Whether an error says that a path names nothing. */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** A link to a directory leads on where the pattern names it. */
function isDirectory(path: Buffer, stat: BigIntStats): boolean {
  if (!stat.isSymbolicLink()) return stat.isDirectory()
  return withinReach(path, (at) => statSync(at, { throwIfNoEntry: false }))?.isDirectory() ?? false
}

/** The names to try: those in the pattern where it has no choice, so that a directory need not be readable. */
function candidates(pattern: Pattern, visit: Visit, unlisted: Unlisted): Iterable<Buffer> {
  const literals = new Map<string, Buffer>()
  for (const at of visit.at) {
    const component = pattern.components[at]!
    if (component.kind === 'directories' || component.literal === undefined) return list(visit.path, unlisted)
    literals.set(component.literal.toString('latin1'), component.literal)
  }
  return literals.values()
}

function list(path: Buffer, unlisted: Unlisted): Buffer[] {
  try {
    return [...listDirectory(path)]
  } catch (error) {
    if (!isDamage(error)) throw error
    unlisted(path, error)
    return []
  }
}

/** Backtracks to the last star only: names × tokens at worst. */
function matches(component: Component & { kind: 'name' }, name: Buffer, points: readonly number[]): boolean {
  if (component.literal !== undefined) return component.literal.equals(name)
  const { tokens } = component
  let token = 0
  let point = 0
  let star = -1
  let resume = 0
  while (point < points.length) {
    const wanted = tokens[token]
    if (wanted?.kind === 'star') {
      star = token++
      resume = point
    } else if (wanted !== undefined && accepts(wanted, points[point]!)) {
      token++
      point++
    } else if (star >= 0) {
      token = star + 1
      point = ++resume
    } else {
      return false
    }
  }
  while (tokens[token]?.kind === 'star') token++
  return token === tokens.length
}

function accepts(token: Exclude<Token, { kind: 'star' }>, point: number): boolean {
  if (token.kind === 'one') return token.point === point
  if (token.kind === 'any') return true
  return token.ranges.some(([from, to]) => from <= point && point <= to) !== token.negated
}

function parsePattern(operand: string): Pattern {
  const { root, names } = splitRoot(operand)
  const components: Component[] = []
  for (const name of names) {
    if (name === '' || name === '.') continue
    if (name !== '**') components.push(parseName(operand, name))
    else if (components.at(-1)?.kind !== 'directories') components.push({ kind: 'directories' })
  }
  return { root, components, onlyDirectories: names.at(-1) === '' }
}

function parseName(operand: string, name: string): Component {
  const points = codePoints(Buffer.from(WINDOWS ? name.toLowerCase() : name))
  const tokens: Token[] = []
  for (let at = 0; at < points.length; at++) {
    const character = String.fromCodePoint(points[at]!)
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' })
    } else if (character === '?') {
      tokens.push({ kind: 'any' })
    } else if (character === '[') {
      const end = classEnd(points, at)
      if (end === undefined) {
        tokens.push({ kind: 'one', point: points[at]! })
      } else {
        tokens.push(parseClass(operand, points.slice(at + 1, end)))
        at = end
      }
    } else {
      if (character === '\\' && !WINDOWS && at + 1 < points.length) at++
      tokens.push({ kind: 'one', point: points[at]! })
    }
  }
  const literal: number[] = []
  for (const token of tokens) if (token.kind === 'one') literal.push(token.point)
  if (literal.length < tokens.length) return { kind: 'name', tokens, literal: undefined }
  return { kind: 'name', tokens, literal: Buffer.from(WINDOWS ? name : String.fromCodePoint(...literal)) }
}

const [BACKSLASH, BRACKET, COLON, MINUS] = [0x5c, 0x5d, 0x3a, 0x2d]
const NEGATIONS = [0x21, 0x5e]

/** Where the `]` of the class that opens at `open` stands; one that comes first is a member. */
function classEnd(points: readonly number[], open: number): number | undefined {
  let at = open + 1
  if (NEGATIONS.includes(points[at]!)) at++
  if (points[at] === BRACKET) at++
  for (; at < points.length; at++) {
    if (points[at] === BACKSLASH) at++
    else if (points[at] === BRACKET) return at
  }
  return undefined
}

function parseClass(operand: string, members: readonly number[]): Token {
  const negated = NEGATIONS.includes(members[0]!)
  const ranges: [number, number][] = []
  for (let at = negated ? 1 : 0; at < members.length; at++) {
    if (members[at] === 0x5b && members[at + 1] === COLON)
      throw new ToolError(EXIT.usage, `${operand}: classes by name, such as [:digit:], are not supported`, {
        hint: 'write the range: [0-9]',
      })
    if (members[at] === BACKSLASH && at + 1 < members.length) at++
    const from = members[at]!
    if (members[at + 1] !== MINUS || at + 2 >= members.length) {
      ranges.push([from, from])
    } else {
      at += members[at + 2] === BACKSLASH && at + 3 < members.length ? 3 : 2
      ranges.push([from, members[at]!])
    }
  }
  return { kind: 'class', negated, ranges }
}
