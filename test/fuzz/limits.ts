import type { Run } from '../../src/formats/address-space.js'
import type { Bytes } from '../../src/formats/byte-source.js'
import { FormatError } from '../../src/formats/format-error.js'

/** Whatever a file claims: no read and no answer is larger. */
export const MOST_READ = 64 << 20
/** So much of a mutant's addresses is read. */
const MOST_BYTES = 4 << 20
const STEP = 1 << 20

/** What came of it; undefined where it was refused as damaged. */
export async function unlessDamaged<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

/**
 * What is read at the first addresses of a mutant, piece by piece; undefined where that is damaged.
 * @throws when other than all bytes come
 */
export async function* readPieces(
  runs: readonly Run[],
  read: (address: bigint, length: number) => Promise<Bytes>,
): AsyncGenerator<{ address: bigint; bytes: Bytes | undefined }> {
  let left = MOST_BYTES
  for (const { start, length } of runs)
    for (let at = 0n; at < length && left > 0; at += BigInt(STEP)) {
      const wanted = Math.min(STEP, Number(length - at), left)
      left -= wanted
      const address = start + at
      const bytes = await unlessDamaged(() => read(address, wanted))
      if (bytes && bytes.length !== wanted)
        throw new Error(`${bytes.length} bytes for ${wanted} at 0x${address.toString(16)}`)
      yield { address, bytes }
    }
}

/**
 * Does one mutant's work.
 * @param mostTime processor time that it may take, in milliseconds; not looked at unless given
 * @throws what it throws, and when it took too long, with what it was
 */
export async function inTime(
  which: string,
  mostTime: number | undefined,
  work: () => Promise<void>,
): Promise<void> {
  const before = process.cpuUsage()
  try {
    await work()
  } catch (error) {
    throw new Error(which, { cause: error })
  }
  const { user, system } = process.cpuUsage(before)
  if (mostTime !== undefined && user + system > mostTime * 1000)
    throw new Error(`${which}: ${Math.round((user + system) / 1000)} ms`)
}
