import { asBuffer } from '../../codecs/views.js'
import type { NtfsIndex } from './index.js'

/** Windows that are kept at most: 32 MiB. */
const WINDOW_SIZE = 65536
const MOST_WINDOWS = 512

/** Reads a block as on disk. @throws what reading the stream throws */
export type ReadBlock = (block: number) => Promise<Buffer>

/** Reads the block alone: for a few of them. */
export const readSingleBlock =
  ({ allocation, blockSize }: NtfsIndex): ReadBlock =>
  async (block) =>
    asBuffer(await allocation!.read(BigInt(block) * BigInt(blockSize), blockSize))

/**
 * Reads its neighbours with it: for all of them, in whatever order. Of a window that cannot be read the block is
 * read alone.
 */
export function readThroughWindows(index: NtfsIndex): ReadBlock {
  const { allocation, blockSize } = index
  const single = readSingleBlock(index)
  const inWindow = WINDOW_SIZE / blockSize
  /** The one used last stands last. */
  const windows = new Map<number, Buffer>()
  const readWindow = async (number: number) => {
    const known = windows.get(number)
    windows.delete(number)
    if (!known && windows.size === MOST_WINDOWS) windows.delete(windows.keys().next().value!)
    const offset = BigInt(number) * BigInt(WINDOW_SIZE)
    const window = known ?? asBuffer(await allocation!.read(offset, WINDOW_SIZE))
    windows.set(number, window)
    return window
  }
  return async (block) => {
    const number = Math.floor(block / inWindow)
    let window: Buffer
    try {
      window = await readWindow(number)
    } catch {
      return single(block)
    }
    const at = (block - number * inWindow) * blockSize
    return window.subarray(at, at + blockSize)
  }
}
