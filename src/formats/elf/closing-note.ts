import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { max } from '../min-max.js'
import { alignToPage } from './core-layout.js'
import { decodeNotes, encodeNotes } from './notes.js'
import { decodeOwnNote, encodeOwnNote, type OwnNote } from './own-note.js'
import type { Phdr } from './structs.js'

// A core that goes to a pipe has its headers and notes before anyone knows how the input ends, and what could not be
// read. Our note then says that a second one closes the core: behind memory, at the next page of the file, in a block
// of a fixed size that zeros fill up. No program header leads there: others take one PT_NOTE.

/** Bytes of the block. */
export const CLOSING_SIZE = 256 << 10
/** They fit into it with an error of 500 characters. */
const MOST_HOLES = 4096

export function encodeClosing(
  note: Pick<OwnNote, 'program' | 'status' | 'error' | 'holes' | 'digests'>,
): Bytes {
  const block = new Uint8Array(CLOSING_SIZE)
  const empty = { category: undefined, origin: {}, facts: {} }
  block.set(encodeNotes([encodeOwnNote({ ...note, ...empty }, MOST_HOLES)]))
  return block
}

/** What closes a core; undefined where it was cut off. @param loads all that have bytes in the file */
export async function readClosing(source: ByteSource, loads: readonly Phdr[]): Promise<OwnNote | undefined> {
  const end = loads.map(({ offset, filesz }) => offset + filesz).reduce(max, 0n)
  const at = alignToPage(end)
  if (at >= source.size) return undefined
  try {
    return decodeOwnNote(decodeNotes(Uint8Array.from(await source.read(at, CLOSING_SIZE))))
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}
