import type { Run } from '../address-space.js'
import {
  FACT_NAMES,
  type Facts,
  factEntries,
  formatFact,
  type MutableFacts,
  setFact,
} from '../image/facts.js'
import type { Hole } from '../image/image.js'
import type { MapBlock } from '../mapfile.js'
import type { StatedDigest } from '../stream-digest.js'
import type { ElfNote } from './notes.js'

// Our own note: name PMEM, type 0x504d454d, a JSON object in UTF-8. crash goes by the type alone, and would take 1 for
// registers.
//   program                            who wrote the core
//   stream, category                   as STREAM says them
//   host, started, programs            as START says them
//   facts                              by their names
//   status, error                      how the input ended; absent where it was not over yet
//   holes                              [start, length, content]: what stands in the core there is filling
//   holesLeftOut                       how many more holes there are than stand here
//   digests                            [algorithm, value, covers]: of the content, as DIGEST says them
//   closed                             true: status, error and holes stand behind memory, see closing-note.ts

const NAME = 'PMEM'
const TYPE = 0x504d454d
/** Their JSON takes 3 MiB. */
const MOST_HOLES = 2 ** 16
const CONTENTS: readonly unknown[] = ['zero', 'unreadable', 'unknown'] satisfies Hole['content'][]

export interface OwnNote {
  readonly program: string
  readonly category: string | undefined
  /** What STREAM and START said, as it stands in the note. */
  readonly origin: Readonly<Record<string, unknown>>
  readonly facts: Facts
  readonly status: string | undefined
  readonly error: string | undefined
  /** Ascending, not overlapping. */
  readonly holes: readonly Hole[]
  readonly holesLeftOut: number
  readonly digests: readonly StatedDigest[]
  /** How it ended stands behind memory. */
  readonly isClosed: boolean
}

/** What a note is made of. */
export type OwnNoteContent = Omit<OwnNote, 'holesLeftOut' | 'isClosed'> & { readonly isClosed?: boolean }

/** @param most more holes than these are left out, and that is told */
export function encodeOwnNote(note: OwnNoteContent, most = MOST_HOLES): ElfNote {
  const { program, category, origin, facts, status, error, holes, digests, isClosed } = note
  const listed = holes.slice(0, most)
  const json = JSON.stringify({
    ...origin,
    program,
    category,
    facts: Object.fromEntries(factEntries(facts).map(([name, value]) => [name, formatFact(name, value)])),
    status,
    error,
    holes: listed.length > 0 ? listed.map(describeHole) : undefined,
    holesLeftOut: holes.length > listed.length ? holes.length - listed.length : undefined,
    digests:
      digests.length > 0
        ? digests.map(({ algorithm, value, covers }) => [algorithm, value, covers])
        : undefined,
    closed: isClosed || undefined,
  })
  return { name: NAME, type: TYPE, desc: Buffer.from(json, 'utf8') }
}

const hex = (value: bigint) => `0x${value.toString(16)}`
const describeHole = ({ start, length, content }: Hole) => [hex(start), hex(length), content]

export const isOwnNote = ({ name }: ElfNote): boolean => name === NAME

/** What our note among these tells; undefined where there is none that can be read. */
export function decodeOwnNote(notes: readonly ElfNote[]): OwnNote | undefined {
  const note = notes.find(isOwnNote)
  const told = note && parseObject(Buffer.from(note.desc).toString('utf8'))
  if (!told) return undefined
  const { program, category, facts, status, error, holes, holesLeftOut, digests, closed, ...origin } = told
  return {
    program: textOf(program) ?? 'pmem',
    category: textOf(category),
    origin,
    facts: decodeFacts(facts),
    status: textOf(status),
    error: textOf(error),
    holes: decodeHoles(holes),
    holesLeftOut: typeof holesLeftOut === 'number' ? holesLeftOut : 0,
    digests: decodeDigests(digests),
    isClosed: closed === true,
  }
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined)

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    return objectOf(JSON.parse(json))
  } catch {
    return undefined
  }
}

const objectOf = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined

function decodeFacts(told: unknown): Facts {
  const facts: MutableFacts = {}
  for (const name of FACT_NAMES) {
    const value = objectOf(told)?.[name]
    if (typeof value === 'string') setFact(facts, name, value)
  }
  return facts
}

function decodeHoles(told: unknown): Hole[] {
  const holes: Hole[] = []
  let end = 0n
  for (const hole of Array.isArray(told) ? told : []) {
    const [start, length, content] = Array.isArray(hole) ? hole : []
    const run = runOf(start, length)
    if (!run || run.start < end || !CONTENTS.includes(content)) continue
    holes.push({ ...run, content })
    end = run.start + run.length
  }
  return holes
}

const DIGEST = /^[0-9a-f]{8,256}$/

function decodeDigests(told: unknown): StatedDigest[] {
  return (Array.isArray(told) ? told : []).flatMap((digest) => {
    const [algorithm, value, covers] = Array.isArray(digest) ? digest : []
    const known = typeof algorithm === 'string' && DIGEST.test(String(value))
    return known && (covers === 'linear' || covers === 'ranges')
      ? [{ algorithm, value: String(value), covers } as const]
      : []
  })
}

const ADDRESS = /^0x[0-9a-f]{1,16}$/

function runOf(start: unknown, length: unknown): Run | undefined {
  if (!ADDRESS.test(String(start)) || !ADDRESS.test(String(length))) return undefined
  const run = { start: BigInt(String(start)), length: BigInt(String(length)) }
  return run.length > 0n && run.start + run.length <= 1n << 64n ? run : undefined
}

/** What its holes are in a map, for images that fill them or cannot say why something is absent. */
export const blocksOfNote = ({ holes }: OwnNote): MapBlock[] =>
  holes.flatMap(({ content, ...run }) =>
    content === 'zero' ? [] : [{ ...run, status: content === 'unreadable' ? '-' : '?' }],
  )

/** Why what it stands in is a stump; undefined where it is none, or its end was not known yet. */
export const whyStump = ({ status, error }: OwnNote): string | undefined =>
  status === undefined || status === 'complete'
    ? undefined
    : `its input was ${[status, error].filter(Boolean).join(': ')}`
