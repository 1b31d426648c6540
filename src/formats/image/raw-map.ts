import { byStart, endOfRuns, mergeRuns, type Run, subtractRuns } from '../address-space.js'
import { FormatError } from '../format-error.js'
import type { MapBlock, Mapfile } from '../mapfile.js'
import { placeRuns } from '../placed-runs.js'
import type { Hole, Image } from './image.js'

// What a map file cannot say of a raw image stands in its comments.
const JOINED = 'Layout: joined. The image is the blocks marked +, one behind the other.'
const CATEGORY = 'Category: '
/** `?` is what was absent, too: a range that was announced and never tried has a line of its own. */
const NEVER_TRIED = /^Never tried: (0x[0-9a-f]{1,16})\+(0x[0-9a-f]{1,16})$/
const CATEGORIES: readonly Image['category'][] = [
  'memory:physical',
  'memory:virtual',
  'disk:physical',
  'disk:logical',
]

export interface RawLayout {
  /** The blocks that were read stand one behind the other; else each byte at the offset that is its address. */
  readonly joined: boolean
  /** What the image is of, as STREAM frames say it. */
  readonly category: string | undefined
  /** What was to be read and never was, of all that is marked `?`. */
  readonly neverTried: readonly Run[]
}

/** The comments of a map file beside a raw image. */
export const layoutComments = ({ joined, category, neverTried }: RawLayout): string[] => [
  ...(category === undefined ? [] : [`${CATEGORY}${category}`]),
  ...(joined ? [JOINED] : []),
  ...neverTried.map(({ start, length }) => `Never tried: 0x${start.toString(16)}+0x${length.toString(16)}`),
]

/**
 * A raw image with what its map file tells. Blocks marked `?` are no part of a memory unless a comment says that they
 * were to be read; of a disk they were never tried.
 * @param comments of the map file
 * @throws {FormatError} where the sizes show that it is the map of another file
 */
export function applyRawMap(image: Image, map: Mapfile, comments: readonly string[]): Image {
  const joined = comments.includes(JOINED)
  const told = comments.find((comment) => comment.startsWith(CATEGORY))?.slice(CATEGORY.length)
  const category = CATEGORIES.find((known) => known === told)
  const read = map.blocks.filter(({ status }) => status === '+')
  const end = endOfRuns(map.blocks)
  const [least, most] = joined ? [total(read), total(read)] : [endOfRuns(read), end]
  // What was being written when the disk was full may stand behind what the map claims.
  if (image.size < least || (image.size > most && map.status === '+'))
    throw new FormatError(`tells of an image of ${most} bytes, and this one has ${image.size}`)

  const placed = joined ? placeJoined(image, read) : { runs: mergeRuns(read), read: image.read }
  const unread = map.blocks.filter(({ status }) => status !== '+' && status !== '?')
  const holes = [
    ...unread.map(({ start, length }): Hole => ({ start, length, content: 'unreadable' })),
    ...unknownOf(map, category, comments).map(
      ({ start, length }): Hole => ({ start, length, content: 'unknown' }),
    ),
  ]
  return {
    ...image,
    ...placed,
    category,
    size: end,
    holes: holes.sort(byStart),
  }
}

/** What was never tried, without what is no part of a memory. */
function unknownOf({ blocks }: Mapfile, category: Image['category'], comments: readonly string[]): Run[] {
  const marked = blocks.filter(({ status }) => status === '?')
  if (!category?.startsWith('memory:')) return marked
  const told = comments.flatMap((comment): Run[] => {
    const [, start, length] = NEVER_TRIED.exec(comment) ?? []
    return start === undefined || length === undefined
      ? []
      : [{ start: BigInt(start), length: BigInt(length) }]
  })
  const absent = [...subtractRuns(marked, mergeRuns(told))]
  return [...subtractRuns(marked, absent)]
}

function placeJoined(image: Image, read: readonly MapBlock[]) {
  let offset = 0n
  const segments = read.map(({ start, length }) => {
    offset += length
    return { start, length, offset: offset - length }
  })
  const { runs, read: readAt } = placeRuns(
    { name: '', size: image.size, read: image.read, close: async () => {} },
    segments,
  )
  return { runs, read: readAt }
}

const total = (runs: readonly Run[]): bigint => runs.reduce((sum, { length }) => sum + length, 0n)
