import { mergeRuns, type Run, sumOfRuns } from '../formats/address-space.js'
import { max } from '../formats/min-max.js'
import { parseAddress } from './address.js'
import type { StreamBody } from './frame.js'
import { FrameError } from './frame-error.js'

/** Whether a stream is made of DATA and FILL; the others are a folder, a link or facts alone. */
export const hasBytes = ({ kind }: StreamBody): boolean => kind === 'map' || kind === 'image'

/**
 * The ranges that a STREAM announces, ascending and merged; undefined where it doesn't. An image is one
 * range from 0 to its size.
 * @throws {FrameError} when they overlap
 */
export function announcedRuns({ kind, size, ranges }: StreamBody): Run[] | undefined {
  const image = kind === 'image' && size !== undefined
  const runs = image
    ? [{ start: 0n, length: parseAddress(size) }]
    : ranges?.map(([start, length]) => ({ start: parseAddress(start), length: parseAddress(length) }))
  try {
    return runs && mergeRuns(runs)
  } catch (error) {
    throw new FrameError(`stream: announced ${(error as Error).message}`)
  }
}

/** How many bytes a STREAM announces. @throws {FrameError} as `announcedRuns` */
export const announcedBytes = (body: StreamBody): bigint => sumOfRuns(announcedRuns(body) ?? [])

/** One past the highest address that a STREAM announces, 0 where it announces none. */
export function announcedSize(body: StreamBody): bigint {
  const last = announcedRuns(body)?.at(-1)
  const end = last ? last.start + last.length : 0n
  const size = body.size === undefined ? 0n : parseAddress(body.size)
  return max(size, end)
}
