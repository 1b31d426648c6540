import { ATTRIBUTE, attributeTypeName } from './attribute-type.js'

/** Where files hang whose directory is no more. */
export const ORPHANS = '$Orphan'

/** Windows has no longer ones. Without end, directories one below another take the square of their number to name. */
export const LONGEST_PATH = 32767
const SHOWN = 200

/** A path for a message, which shows the end of a long one. */
export function shownPath(names: readonly string[]): string {
  const path = names.join('/')
  return path.length > SHOWN ? `…${path.slice(-SHOWN)}` : path
}

/** What a user names on a volume, taken apart; whether there is such a thing is another matter. */
export type Target = PathTarget | RecordTarget

/** A file by its record, and what of it. */
export interface RecordTarget {
  readonly kind: 'record'
  readonly record: number
  /** undefined: whichever it has. */
  readonly sequence: number | undefined
  readonly attribute: AttributeSelector | undefined
}

/** A file by its path from the root, and what of it. */
export interface PathTarget {
  readonly kind: 'path'
  /** Whether it begins below what has lost its directory. */
  readonly orphan: boolean
  /** As typed, for stepsOf(). Empty: the root, or all orphans. */
  readonly text: string
}

/** Whether it is the place of all orphans, which is no file. */
export const isOrphanage = (target: Target): boolean =>
  target.kind === 'path' && target.orphan && target.text === ''

/** A name at the beginning of a path. */
export interface Step {
  readonly name: string
  /** What follows in that directory. Empty: the name is the last. */
  readonly rest: string
}

/** What the last name of a path can mean: a colon may belong to the name of a file or part it from that of a stream. */
export interface Reading {
  readonly name: string
  readonly attribute: AttributeSelector | undefined
}

/** An attribute by its type, and its id or its name. */
export type AttributeSelector =
  | { readonly type: number; readonly name: string }
  | { readonly type: number; readonly id: number }

const TYPES = new Map<string, number>(
  Object.values(ATTRIBUTE).map((type) => [attributeTypeName(type).toUpperCase(), type]),
)

/**
 * Takes apart what a user typed. Without a slash, what looks like a record is one:
 *
 *     RECORD   RECORD-SEQUENCE   RECORD-TYPE-ID   RECORD-SEQUENCE-TYPE-ID   RECORD[-SEQUENCE]:TYPE[:NAME]
 *
 * TYPE is a number or a name: 128, 0x80, $DATA. All else is a path, its parts between `/` or `\`, with `FILE:STREAM`,
 * `FILE:STREAM:$TYPE` or `FILE::$TYPE` at its end; `$Orphan/…` is below no directory.
 */
export const parseTarget = (text: string): Target => parseRecord(text) ?? parsePath(text)

const RECORD_FORM = /^(\d+)(?:-(\d+)\??)?$/
const IDENTIFIER_FORM = /^(\d+)(?:-(\d+))?-(\d+)-(\d+)$/
const SELECTOR_FORM = /^(\d+)(?:-(\d+))?:(\d+|0x[0-9a-f]+|\$\w+)(?::(.*))?$/is

function parseRecord(text: string): RecordTarget | undefined {
  const record = (number: string, sequence?: string, attribute?: AttributeSelector): RecordTarget => ({
    kind: 'record',
    record: Number(number),
    sequence: sequence === undefined ? undefined : Number(sequence),
    attribute,
  })
  const [, plain, ofPlain] = RECORD_FORM.exec(text) ?? []
  if (plain !== undefined) return record(plain, ofPlain)
  const [, number, sequence, type, id] = IDENTIFIER_FORM.exec(text) ?? []
  if (number !== undefined) return record(number, sequence, { type: Number(type), id: Number(id) })
  const [, selected, ofSelected, typeText, name = ''] = SELECTOR_FORM.exec(text) ?? []
  const wanted = typeText && (TYPES.get(typeText.toUpperCase()) ?? Number(typeText))
  if (selected === undefined || typeof wanted !== 'number' || Number.isNaN(wanted)) return undefined
  return record(selected, ofSelected, { type: wanted, name })
}

function parsePath(text: string): PathTarget {
  const [, below] = ORPHAN_FORM.exec(text) ?? []
  return { kind: 'path', orphan: below !== undefined, text: tidy(below ?? text) }
}

const ORPHAN_FORM = /^(?:\.?[/\\])*\$orphan(?![^/\\])(.*)$/is
/** Between slashes, what leads nowhere but where it begins. */
const NO_NAME = /^(?:\.?\\)*\.?$/

/** With what names something between slashes; backslashes beside it may belong to the name. */
const tidy = (text: string): string =>
  text
    .split('/')
    .filter((part) => !NO_NAME.test(part))
    .join('/')

/**
 * The names that a path may begin with. Programs of other systems use backslashes in names, and damage anything: such a
 * name is taken whole where a directory holds it.
 * @param text not empty
 */
export function stepsOf(text: string): {
  /** With backslashes, the longest first. */
  readonly backslashed: readonly Step[]
  /** Up to the first separator. */
  readonly plain: Step
  /** With whatever separators, the shortest first. */
  readonly longer: readonly Step[]
} {
  const start = /^(?:\.?\\)*/.exec(text)![0].length
  const ends = [...text.matchAll(/[/\\]|$/g)].map(({ index }) => index)
  const step = (from: number, end: number): Step => ({
    name: text.slice(from, end),
    rest: tidy(text.slice(end + 1)),
  })
  const slash = text.indexOf('/')
  const behind = ends.filter((end) => end > start)
  const inComponent = ends.filter((end) => slash < 0 || end <= slash).reverse()
  return {
    backslashed: [...new Set([0, start])].flatMap((from) =>
      inComponent
        .filter((end) => end > start)
        .map((end) => step(from, end))
        .filter(({ name }) => name.includes('\\')),
    ),
    plain: step(start, behind[0]!),
    longer: behind.slice(1).map((end) => step(start, end)),
  }
}

/** The likeliest first. */
export function readingsOf(text: string): Reading[] {
  const readings: Reading[] = [{ name: text, attribute: undefined }]
  const [name, rest] = splitLast(text)
  if (name === undefined) return readings
  const type = TYPES.get(rest.toUpperCase())
  const [file, stream] = splitLast(name)
  if (type !== undefined && file !== undefined)
    readings.push({ name: file, attribute: { type, name: stream } })
  readings.push({ name, attribute: { type: ATTRIBUTE.DATA, name: rest } })
  return readings
}

/** Before and behind the last colon; no name begins with one. */
function splitLast(text: string): [string, string] | [undefined, string] {
  const at = text.lastIndexOf(':')
  return at <= 0 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)]
}
