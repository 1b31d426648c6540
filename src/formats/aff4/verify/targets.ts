import { clipLength } from '../../clip-length.js'
import { openStream } from '../reader.js'
import { BLOCK, damageOf } from './context.js'
import { type Course, SUMS, statedOfBytes } from './course.js'
import type { Failure } from './digest-claims.js'
import type { Target } from './map-check.js'
import { absence } from './references.js'
import { openStreamCheck, type StreamCheck } from './stream-check.js'

/** The checks of an image stream, which begin here; undefined when its description is damaged, which is told. */
export async function streamOf(course: Course, urn: string): Promise<StreamCheck | undefined> {
  const { streams, objects, report } = course
  if (streams.has(urn)) return streams.get(urn)
  let check: StreamCheck | undefined
  try {
    check = openStreamCheck(course, objects.get(urn)!.volume, urn, statedOfBytes(course, urn), SUMS)
  } catch (error) {
    await report({ outcome: 'mismatched', property: 'stream', subject: urn, ...damageOf(error) })
  }
  streams.set(urn, check)
  return check
}

/** The bytes that a URN names, or why they are not to be had. */
export async function targetOf(course: Course, urn: string): Promise<Target | Failure> {
  const { objects, volumes, tick } = course
  if (objects.get(urn)?.form === 'image-stream')
    return (await streamOf(course, urn)) ?? { outcome: 'mismatched', detail: `${urn} is damaged` }
  const absent = absence(volumes, urn)
  if (absent) return absent
  try {
    const stream = await openStream(volumes, urn)
    return {
      size: stream.size,
      async feed(offset, length, take) {
        try {
          for (let done = 0n; done < length; done += BigInt(BLOCK)) {
            const left = length - done
            const bytes = await stream.read(offset + done, clipLength(BLOCK, left))
            await tick(bytes.length)
            take(bytes)
          }
          return true
        } catch (error) {
          damageOf(error)
          return false
        }
      },
    }
  } catch (error) {
    return { outcome: 'mismatched', detail: damageOf(error).detail }
  }
}
