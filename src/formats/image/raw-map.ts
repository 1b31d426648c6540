import { mergeRuns, type Run } from '../address-space.js'
import { FormatError } from '../format-error.js'
import type { MapBlock, Mapfile } from '../mapfile.js'
import { max } from '../min-max.js'
import { placeRuns } from '../placed-runs.js'
import type { Hole, Image } from './image.js'

// What a map file cannot say of a raw image stands in its comments.
const JOINED = 'Layout: joined. The image is the blocks marked +, one behind the other.'
const CATEGORY = 'Category: '
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
}

/** The comments of a map file beside a raw image. */
export const layoutComments = ({ joined, category }: RawLayout): string[] => [
  ...(category === undefined ? [] : [`${CATEGORY}${category}`]),
  ...(joined ? [JOINED] : []),
]

/**
 * A raw image with what its map file tells. Blocks marked `?` are no part of a memory; of a disk they were never tried.
 * @param comments of the map file
 * @throws {FormatError} where the sizes show that it is the map of another file
 */
export function applyRawMap(image: Image, map: Mapfile, comments: readonly string[]): Image {
  const joined = comments.includes(JOINED)
  const told = comments.find((comment) => comment.startsWith(CATEGORY))?.slice(CATEGORY.length)
  const category = CATEGORIES.find((known) => known === told)
  const read = map.blocks.filter(({ status }) => status === '+')
  const end = endOf(map.blocks)
  const [least, most] = joined ? [total(read), total(read)] : [endOf(read), end]
  // What was being written when the disk was full may stand behind what the map claims.
  if (image.size < least || (image.size > most && map.status === '+'))
    throw new FormatError(`tells of an image of ${most} bytes, and this one has ${image.size}`)

  const placed = joined ? placeJoined(image, read) : { runs: mergeRuns(read), read: image.read }
  const never = category?.startsWith('memory:') ? undefined : 'unknown'
  return {
    ...image,
    ...placed,
    category,
    size: end,
    holes: map.blocks.flatMap(({ start, length, status }): Hole[] => {
      const content = status === '?' ? never : 'unreadable'
      return status === '+' || content === undefined ? [] : [{ start, length, content }]
    }),
  }
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

const endOf = (runs: readonly Run[]): bigint =>
  runs.reduce((end, { start, length }) => max(end, start + length), 0n)

const total = (runs: readonly Run[]): bigint => runs.reduce((sum, { length }) => sum + length, 0n)
