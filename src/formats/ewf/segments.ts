import path from 'node:path'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { SurroundingFiles } from '../image/image.js'
import { readFileHeader, readSegment, type Segment } from './sections.js'
import { NUMBERED, type Series, segmentExtension, segmentNumber, seriesOf } from './segment-names.js'

/** The segments of a set that are there. */
export interface SegmentSet {
  /** By ascending number; not all of them where some are missing. */
  readonly segments: readonly Segment[]
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
export async function findSegments(source: ByteSource, surroundings: SurroundingFiles): Promise<SegmentSet> {
  const header = await readFileHeader(source)
  if (!header) throw new FormatError(`${source.name}: not an EWF image`, 0n)
  if (header.signature === 'logical')
    throw new FormatError(
      `${source.name}: logical evidence (L01): files, not the image of a medium`,
      0n,
      'ewfexport -f files FILE writes the files that it holds',
    )
  const found = new Map<number, ByteSource>([[header.segment, source]])
  const remarks: string[] = []
  const place = placeOf(surroundings.path, header.segment)
  const beside = place ? namedSegments(surroundings, place) : []
  const hasFirst = header.segment === 1 || beside.some(([number]) => number === 1)

  function take({ source: file, number }: File): boolean {
    if (found.has(number)) return false
    found.set(number, file)
    return true
  }

  const given = await takeParts(surroundings, place, hasFirst, take)
  const folder = path.dirname(surroundings.path)
  for (const [expected, name] of beside) {
    if (given.has(path.join(folder, name))) continue
    const file = await openSegment(surroundings, path.join(folder, name))
    if (!file) remarks.push(`${name} is not an EWF image`)
    else if (!take(file)) remarks.push(`${name}: there is another segment ${file.number}`)
    else if (file.number !== expected) remarks.push(`${name} says to be segment ${file.number}`)
  }
  const segments: Segment[] = []
  for (const [number, file] of [...found].sort(([a], [b]) => a - b))
    segments.push(await readSegment(file, number))
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
    const file = await openSegment(surroundings, part)
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

async function openSegment(surroundings: SurroundingFiles, name: string): Promise<File | undefined> {
  const source = surroundings.openFile(name)
  const header = source && (await readFileHeader(source))
  return source && header?.signature === 'physical' ? { source, number: header.segment } : undefined
}

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
