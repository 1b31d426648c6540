import type { Bytes } from '../byte-source.js'
import { formatMoreTurtle, type Statement } from './turtle.js'

/** Texts are joined to pieces of about this size. */
const PIECE = 256 << 10

/** Facts that are complete, kept as the Turtle that they will be. */
export interface SettledFacts {
  readonly byteLength: number
  add(statements: readonly Statement[]): void
  /** Whether something is said about a subject. */
  has(subject: string): boolean
  /** All of it so far; what was given before stays as it was, and more comes behind it. */
  pieces(): readonly Bytes[]
}

/** @param volume its prefix is the empty one in the Turtle before this */
export function createSettledFacts(volume: string): SettledFacts {
  const pieces: Bytes[] = []
  const subjects = new Set<string>()
  let texts: string[] = []
  let pending = 0
  let byteLength = 0

  function join(): void {
    if (pending > 0) pieces.push(Buffer.from(texts.join(''), 'utf8'))
    texts = []
    pending = 0
  }

  return {
    get byteLength() {
      return byteLength
    },
    add(statements) {
      for (const { subject } of statements) subjects.add(subject)
      const text = formatMoreTurtle(statements, volume)
      const bytes = Buffer.byteLength(text, 'utf8')
      texts.push(text)
      pending += bytes
      byteLength += bytes
      if (pending >= PIECE) join()
    },
    has: (subject) => subjects.has(subject),
    pieces() {
      join()
      return pieces
    },
  }
}
