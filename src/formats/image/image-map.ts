import { byStart, endOfRuns, type Run, subtractRuns } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { commentsOf, decodeMapfile, type MapBlock, type Mapfile } from '../mapfile.js'
import { max, min } from '../min-max.js'
import { damagedSource } from './damaged-source.js'
import type { Hole, Image, Surroundings } from './image.js'
import { applyRawMap } from './raw-map.js'

/** Map files of a million blocks are this large. */
const MOST_BYTES = 64n << 20n

/** The first comment of a map that our sinks wrote. */
const OWN = /^Mapfile\. Created by pmem /

/** The map file beside an image. */
export interface MapBeside {
  readonly name: string
  readonly map: Mapfile
  readonly comments: readonly string[]
  /** Our sinks wrote it: it tells of addresses. Any other one tells which bytes of the file are what they were. */
  readonly own: boolean
}

/**
 * The map file `PATH.map`, undefined where there is none.
 * @throws {FormatError} where it cannot be read: without it filling would pass for evidence
 */
export async function readMapBeside({ path, openFile }: Surroundings): Promise<MapBeside | undefined> {
  const name = `${path}.map`
  const file = openFile(name)
  if (!file) return undefined
  if (file.size > MOST_BYTES) throw new FormatError(`${name}: too large for a map file`)
  const bytes = await file.read(0n, Number(file.size))
  const comments = commentsOf(bytes)
  const map = refusing(name, () => decodeMapfile(bytes))
  return { name, map, comments, own: comments.some((comment) => OWN.test(comment)) }
}

function refusing<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const hint = 'move it away if it is no map of the image'
    throw new FormatError(`${name}: ${(error as Error).message}`, undefined, hint)
  }
}

/**
 * A file as the map beside it says: what somebody else could not read of it is damaged.
 * @throws {FormatError} where the sizes show that it is the map of another file
 */
export function withDamage(source: ByteSource, { name, map, own }: MapBeside): ByteSource {
  if (own) return source
  const last = map.blocks.at(-1)
  refusing(name, () => {
    if (last && last.start + last.length < source.size)
      throw otherImage(last.start + last.length, source.size)
  })
  return damagedSource(source, map.blocks)
}

/**
 * An image with what the map file beside it tells: blocks marked `-` could not be read, `?` are no part of it or were
 * never tried; what the image has there is filling.
 * @throws {FormatError} where it is none of the image
 */
export function withMap(image: Image, beside: MapBeside): Image {
  const { name, map, comments, own } = beside
  const mapped = refusing(name, () =>
    image.format === 'raw' ? applyRawMap(image, map, comments) : own ? applyOwnMap(image, map) : image,
  )
  if (map.status === '+') return mapped
  const remark = 'its map says that whoever read it had not finished'
  return own
    ? { ...mapped, incomplete: mapped.incomplete ?? remark }
    : { ...mapped, remarks: [...mapped.remarks, remark] }
}

function applyOwnMap(image: Image, { blocks }: Mapfile): Image {
  const last = blocks.findLast(({ status }) => status === '+')
  if (last && last.start + last.length > image.size) throw otherImage(last.start + last.length, image.size)
  return applyMap(image, blocks)
}

const otherImage = (told: bigint, size: bigint) =>
  new FormatError(`tells of bytes up to ${told}, and the image ends at ${size}`)

/**
 * Where the image has bytes, they are evidence only in blocks that were read. Memory that it leaves out because it
 * could not be read is a hole that says so.
 * @param blocks ascending, not overlapping
 */
export function applyMap(image: Image, blocks: readonly MapBlock[]): Image {
  const runs: Run[] = []
  const isMemory = image.category?.startsWith('memory:') ?? false
  const settled = image.holes.filter(({ content }) => content !== 'unknown')
  const unread = isMemory ? leftOut([...image.runs, ...settled], blocks) : []
  const unknown = image.holes.filter(({ content }) => content === 'unknown')
  const holes: Hole[] = [...settled, ...unread]
  for (const run of subtractRuns(unknown, unread)) holes.push({ ...run, content: 'unknown' })
  let index = 0
  for (const run of image.runs) {
    const end = run.start + run.length
    while (index < blocks.length && blocks[index]!.start + blocks[index]!.length <= run.start) index++
    let at = run.start
    for (let i = index; i < blocks.length && blocks[i]!.start < end; i++) {
      const { start, length, status } = blocks[i]!
      if (status === '+') continue
      const from = max(start, run.start)
      const to = min(start + length, end)
      if (from > at) runs.push({ start: at, length: from - at })
      // What was never tried of memory is no RAM, or not known to be.
      if (status !== '?') holes.push({ start: from, length: to - from, content: 'unreadable' })
      else if (image.category !== undefined)
        holes.push({ start: from, length: to - from, content: 'unknown' })
      at = to
    }
    if (end > at) runs.push({ start: at, length: end - at })
  }
  const end = max(endOfRuns(holes), image.size)
  return { ...image, size: end, runs, holes: joined(holes), read: image.read }
}

/** In their order; those that touch and are alike are one. */
function joined(holes: Hole[]): Hole[] {
  const found: Hole[] = []
  for (const hole of holes.sort(byStart)) {
    const last = found.at(-1)
    if (last?.content === hole.content && last.start + last.length === hole.start)
      found[found.length - 1] = { ...last, length: last.length + hole.length }
    else found.push(hole)
  }
  return found
}

/** What could not be read and is in none of the ranges, ascending. */
function leftOut(ranges: readonly Run[], blocks: readonly MapBlock[]): Hole[] {
  const sorted = [...ranges].sort(byStart)
  const found: Hole[] = []
  let index = 0
  for (const { start, length, status } of blocks) {
    if (status === '+' || status === '?') continue
    const end = start + length
    const hole = (from: bigint, to: bigint) => {
      if (to > from) found.push({ start: from, length: to - from, content: 'unreadable' })
    }
    let at = start
    for (; index < sorted.length && sorted[index]!.start < end; index++) {
      const range = sorted[index]!
      hole(at, range.start)
      at = max(at, range.start + range.length)
      if (at > end) break
    }
    hole(at, end)
  }
  return found
}
