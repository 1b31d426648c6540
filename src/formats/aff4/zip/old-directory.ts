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

/** The same directory without some members: their entries are left out, their bytes stay where they are. */
export function withoutMembers(old: OldDirectory, omitted: ReadonlySet<string>): OldDirectory {
  if (omitted.size === 0) return old
  const kept = keepEntries(Buffer.concat(old.pieces), 0n, (name) => !omitted.has(name))
  return { ...kept, names: new Set([...old.names].filter((name) => !omitted.has(name))), shift: old.shift }
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
  const names = new Set(members.keys())
  names.delete(replaced)
  return { ...keepEntries(bytes, start, (name) => name !== replaced), names, shift }
}

/** @param start where the entries stand in their file */
function keepEntries(
  bytes: Bytes,
  start: bigint,
  isKept: (name: string) => boolean,
): Pick<OldDirectory, 'pieces' | 'entries'> {
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
    if (isKept(next.entry.name)) entries++
    else {
      keep(at)
      kept = at + next.length
    }
    at += next.length
  }
  keep(at)
  return { pieces, entries }
}
