import type { Batch, Frame, Frames } from '../frames/frame.js'

/** A batch ends once it holds this many decoded bytes: a few stored ones can stand for many. */
const DECODED_BYTES = 1 << 20

/**
 * Frames that are made of others, in batches that do not grow with what is decoded.
 * @param take puts what goes on of a frame into a batch; gives how many bytes were decoded for it
 * @throws what `take` throws, behind what came before
 */
export async function* decodedBatches(frames: Frames, take: (frame: Frame, out: Batch) => number): Frames {
  for await (const batch of frames) {
    let out: Batch = []
    let decoded = 0
    try {
      for (const frame of batch) {
        decoded += take(frame, out)
        if (decoded < DECODED_BYTES) continue
        yield out
        out = []
        decoded = 0
      }
    } catch (error) {
      yield out
      throw error
    }
    yield out
  }
}
