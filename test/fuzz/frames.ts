import { chunkContent } from '../../src/frames/chunk-content.js'
import { type ByteInput, decode } from '../../src/frames/decode.js'
import type { Frame } from '../../src/frames/frame.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { encoded, imageOf, told } from '../frames/support.js'
import { createRandom, mutate } from './mutate.js'

/** Whatever a header claims: a payload is not longer, and some room is spared. */
const MOST_MEMORY = 40 << 20

/** Recorded transmissions: every type of frame, all with their CRCs. */
function recorded(): Frame[][] {
  const ofStream = { stream: 1, time: 7n }
  const image = imageOf([4000, 1, 65_536, 300])
  const facts: Frame[] = [
    { type: 'meta', ...ofStream, turtle: '<> <urn:p> "é" .' },
    { type: 'note', ...ofStream, body: { level: 'warning', program: 'p', message: 'm', offset: '0x0' } },
    { type: 'digest', ...ofStream, body: { algorithm: 'md5', value: '00'.repeat(16), covers: 'linear' } },
  ]
  const hole: Frame = { type: 'fill', ...ofStream, offset: 69_837n, length: 1n << 40n, fill: 'unreadable' }
  const close = image.length - 2
  const full = [...image.slice(0, 2), ...facts.slice(0, 2), ...image.slice(2, close), hole, facts[2]!]
  return [[...full, ...image.slice(close)], [...image, ...imageOf([70, 70])], imageOf([])]
}

/**
 * Changes transmissions and reads them, in pieces of any size: what comes of one is what was sent, from its start on and in
 * its order, or nothing; END complete says that all of it came.
 * @param mostTime processor time that one may take, in milliseconds; not looked at unless given
 * @throws what went wrong; the message says how to do it again
 */
export async function fuzzFrames(count: number, seed: number, mostTime?: number): Promise<void> {
  const all = recorded().map((frames) => ({ bytes: encoded(frames, true), sent: frames.map(toldOf) }))
  for (let round = 0; round < count; round++) {
    const number = seed + round * 7919
    const random = createRandom(number)
    const { bytes, sent } = all[round % all.length]!
    const mutant = change(bytes, random)
    const before = process.cpuUsage()
    try {
      await check(mutant, 1 + random(random(2) ? 100 : 1 << 20), sent, mutant.equals(bytes))
    } catch (error) {
      throw new Error(`frames with seed ${number}`, { cause: error })
    }
    const { user, system } = process.cpuUsage(before)
    if (mostTime !== undefined && user + system > mostTime * 1000)
      throw new Error(`frames with seed ${number}: ${Math.round((user + system) / 1000)} ms`)
  }
}

const toldOf = (frame: Frame): string => told(frame)

/** Bytes that differ, are missing, come twice or are somebody else's. */
function change(bytes: Buffer, random: (below: number) => number): Buffer {
  const at = random(bytes.length)
  const length = random(random(2) ? 200 : bytes.length - at)
  switch (random(6)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
    case 2:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)])
    case 3:
      return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(length, random(256)), bytes.subarray(at)])
    default:
      return mutate(bytes, random)
  }
}

async function check(
  bytes: Buffer,
  step: number,
  sent: readonly string[],
  isUnchanged: boolean,
): Promise<void> {
  let next = 0
  let completed = false
  try {
    for await (const batch of decode(within(bytes, step)))
      for (const frame of batch) {
        if (frame.type === 'end') completed = frame.body.status === 'complete'
        if (!frame.raw) continue
        // Who takes payloads in hand compares their CRCs.
        if (frame.type === 'data') chunkContent(frame, undefined)
        const found = sent.indexOf(toldOf(frame), frame.type === 'start' ? 0 : next)
        if (found < 0) throw new Error(`a frame that nobody sent: ${frame.type}`)
        if (frame.type === 'end' && completed && !wholeFrom(sent, next, found))
          throw new Error('complete, and frames are missing')
        next = found + 1
      }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error
    if (isUnchanged) throw error
    return
  }
  if (isUnchanged && next !== sent.length) throw new Error('not all of it came')
  if (next < sent.length && completed && bytes.length > 0 && !sent[next]!.includes('"programs"'))
    throw new Error('ended as complete inside a transmission')
}

/** END at `end` follows the frame that came before it. */
const wholeFrom = (sent: readonly string[], next: number, end: number): boolean =>
  end === next || sent[end] === sent[next]

function within(bytes: Buffer, step: number): ByteInput {
  let at = 0
  return {
    name: 'mutant',
    async read(into) {
      if (into.length > MOST_MEMORY) throw new Error(`room for ${into.length} bytes`)
      const count = bytes.copy(into, 0, at, Math.min(bytes.length, at + step))
      at += count
      return count
    },
  }
}
