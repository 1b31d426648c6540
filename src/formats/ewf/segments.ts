import path from 'node:path'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { SurroundingFiles } from '../image/image.js'
import { NUMBERED, type Series, segmentExtension, segmentNumber, seriesOf } from './segment-names.js'

/** Missing segments that a message names. */
const MOST_NAMED = 10

/** A segment file of either version. */
export interface SegmentFile {
  readonly source: ByteSource
  readonly number: number
  /** How it says to end; undefined where it is cut. */
  readonly ending: 'next' | 'done' | undefined
  readonly cut: string | undefined
  /** What is odd about its sections. */
  readonly remarks: readonly string[]
}

/** How segments of one version are read. */
export interface SegmentReader<S extends SegmentFile> {
  /** The number that a file says to have; undefined where it is no segment of this version. */
  numberOf(source: ByteSource): Promise<number | undefined>
  /** @throws {FormatError} where its sections lead nowhere */
  read(source: ByteSource, number: number): Promise<S>
}

/** The segments of a set that are there. */
export interface SegmentSet<S extends SegmentFile> {
  /** By ascending number; not all of them where some are missing. */
  readonly segments: readonly S[]
  /** What the file of a segment is called, for messages. */
  nameOf(number: number): string
  /** What is odd about the files. */
  readonly remarks: readonly string[]
}

interface File {
  readonly source: ByteSource
  readonly number: number
}

interface Place {
  readonly stem: string
  readonly series: Series
}

/**
 * The segments that belong to one that is open: from further operands, and from files beside it. Each one's own header
 * says which it is; names only tell where to look.
 * @throws {FormatError} where the sections of one lead back; the operating system's error
 */
export async function findSegments<S extends SegmentFile>(
  source: ByteSource,
  surroundings: SurroundingFiles,
  reader: SegmentReader<S>,
): Promise<SegmentSet<S>> {
  const own = await reader.numberOf(source)
  if (own === undefined) throw new FormatError(`${source.name}: not an EWF image`, 0n)
  const found = new Map<number, ByteSource>([[own, source]])
  const remarks: string[] = []
  const place = placeOf(surroundings.path, own)
  const beside = place ? namedSegments(surroundings, place) : []
  const hasFirst = own === 1 || beside.some(([number]) => number === 1)

  function take({ source: file, number }: File): boolean {
    if (found.has(number)) return false
    found.set(number, file)
    return true
  }

  async function openSegment(name: string): Promise<File | undefined> {
    const file = surroundings.openFile(name)
    const number = file && (await reader.numberOf(file))
    return file && number !== undefined ? { source: file, number } : undefined
  }

  const given = await takeParts(surroundings, place, hasFirst, openSegment, take)
  const folder = path.dirname(surroundings.path)
  for (const [expected, name] of beside) {
    if (given.has(path.join(folder, name))) continue
    const file = await openSegment(path.join(folder, name))
    if (!file) remarks.push(`${name} is not an EWF image`)
    else if (!take(file)) remarks.push(`${name}: there is another segment ${file.number}`)
    else if (file.number !== expected) remarks.push(`${name} says to be segment ${file.number}`)
  }
  const segments: S[] = []
  for (const [number, file] of [...found].sort(([a], [b]) => a - b))
    segments.push(await reader.read(file, number))
  return {
    segments,
    remarks: [...remarks, ...segments.flatMap((segment) => segment.remarks)],
    nameOf(number) {
      const there = found.get(number)
      const extension = place && segmentExtension(place.series, number)
      return there?.name ?? (extension ? `${place.stem}.${extension}` : `segment ${number}`)
    },
  }
}

/** The segments of one set, up to the one that says to be its last. */
export function upToLast<S extends SegmentFile>(
  segments: readonly S[],
  isOther: (segment: S) => boolean,
  nameOf: (number: number) => string,
  remarks: string[],
): S[] {
  const own: S[] = []
  for (const segment of segments) {
    if (isOther(segment)) remarks.push(`${nameOf(segment.number)} is part of another image, and left out`)
    else if (own.at(-1)?.ending === 'done' && own.at(-1)?.cut === undefined)
      remarks.push(`${nameOf(segment.number)} lies behind the last segment, and is left out`)
    else own.push(segment)
  }
  return own
}

/** Why segments do not make up a whole set: those that are missing, and those that are cut. */
export function missingSegments<S extends SegmentFile>(
  segments: readonly S[],
  { nameOf }: SegmentSet<S>,
): string[] {
  const missing: string[] = []
  let count = 0
  const note = (from: number, to: number) => {
    count += to - from
    for (let number = from; number < to && missing.length < MOST_NAMED; number++) missing.push(nameOf(number))
  }
  let expected = 1
  for (const { number } of segments) {
    note(expected, number)
    expected = number + 1
  }
  const behind = segments.at(-1)?.ending === 'next'
  if (behind) note(expected, expected + 1)
  const more = count > missing.length ? [`${count - missing.length} more`] : []
  const names = [...missing, ...more].join(', ')
  return [
    ...(count > 0 ? [`missing: ${names}${behind ? ' and what may follow it' : ''}`] : []),
    ...segments.flatMap(({ cut }) => cut ?? []),
  ]
}

/** What the name of a segment says; that of a renamed one, too, as long as it has digits. */
function placeOf(name: string, number: number): Place | undefined {
  const base = path.basename(name)
  const digits = Number(/\d\d$/.exec(base)?.[0])
  return seriesOf(base, number) ?? seriesOf(base, digits)
}

/**
 * Takes the operands that belong to the set out of their list.
 * @param hasFirst whether the first segment is beside the one that is open, or that one itself
 * @returns their names
 */
async function takeParts(
  surroundings: SurroundingFiles,
  place: Place | undefined,
  hasFirst: boolean,
  openSegment: (name: string) => Promise<File | undefined>,
  take: (file: File) => boolean,
): Promise<ReadonlySet<string>> {
  const { parts } = surroundings
  const taken = new Set<string>()
  const home = path.dirname(surroundings.path)
  /** Whether it stands in another folder, with a first segment of that name that is an operand, too. */
  const isOfAnotherSet = (part: string, { stem }: Place) =>
    hasFirst &&
    path.dirname(part) !== home &&
    parts.some(
      (one) => path.dirname(one) === path.dirname(part) && seriesOf(path.basename(one), 1)?.stem === stem,
    )
  for (let index = 0; index < parts.length; ) {
    const part = parts[index]!
    const file = await openSegment(part)
    const other = file && placeOf(part, file.number)
    // Where names say nothing, what was given together belongs together.
    const belongs = other && place ? isSame(other, place) && !isOfAnotherSet(part, other) : !other && !place
    if (file && belongs && take(file)) {
      parts.splice(index, 1)
      taken.add(path.normalize(part))
    } else index++
  }
  return taken
}

const isSame = (a: Place, b: Place) => a.stem === b.stem && a.series === b.series

/**
 * The files beside it whose names make them segments of the set, by the numbers that these tell. Only a set with a
 * hundredth segment has any with letters: `disk.txt` is none.
 */
function namedSegments(surroundings: SurroundingFiles, { stem, series }: Place): [number, string][] {
  const named: [number, string][] = []
  const own = path.basename(surroundings.path)
  for (const name of surroundings.listFolder()) {
    if (!name.startsWith(`${stem}.`) || name === own) continue
    const number = segmentNumber(series, name.slice(stem.length + 1))
    if (number !== undefined) named.push([number, name])
  }
  const long = named.some(([number]) => number === NUMBERED)
  return named.filter(([number]) => long || number <= NUMBERED).sort(([a], [b]) => a - b)
}
