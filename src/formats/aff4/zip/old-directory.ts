import type { ByteSource, Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { decodeEntry } from './central-directory.js'
import { type Directory, readExactly } from './reader.js'

/** It is held in memory, and written again. */
const LARGEST = 1n << 30n

/** The directory of a ZIP file that is appended to, as its writer wrote it. */
export interface OldDirectory {
  /** The entries, byte for byte. */
  readonly pieces: readonly Bytes[]
  readonly entries: number
  readonly names: ReadonlySet<string>
  /** Bytes before the ZIP file that its offsets don't count. */
  readonly shift: bigint
}

/**
 * Reads the entries of a directory for one that goes on with them.
 * @param replaced the member that will be written anew: its entry is left out
 * @throws {FormatError} when the directory is too large
 */
export async function readOldDirectory(
  source: ByteSource,
  { start, size, shift, members }: Directory,
  replaced: string,
): Promise<OldDirectory> {
  if (size > LARGEST)
    throw new FormatError(`zip: a directory of ${size} bytes is too large to append to`, start)
  const bytes = await readExactly(source, start, Number(size))
  const pieces: Bytes[] = []
  let entries = 0
  let kept = 0
  let at = 0
  const keep = (end: number) => {
    if (end > kept) pieces.push(bytes.subarray(kept, end))
  }
  for (;;) {
    const next = at < bytes.length && decodeEntry(bytes.subarray(at), start + BigInt(at))
    if (!next) break
    if (next.entry.name === replaced) {
      keep(at)
      kept = at + next.length
    } else entries++
    at += next.length
  }
  keep(at)
  const names = new Set(members.keys())
  names.delete(replaced)
  return { pieces, entries, names, shift }
}
