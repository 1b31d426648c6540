import fs from 'node:fs'
import type { Bytes } from '../formats/byte-source.js'
import { pipeGrowth } from './pipe-size.js'

/** Most pieces that one writev takes (IOV_MAX). */
const MOST_PIECES = 1024

/** Writes pieces in order, whole; resolves when the system has taken them all. */
export type WritePieces = (pieces: Bytes[]) => Promise<void>

/** Standard output, or another descriptor that may be a pipe: written in a thread, waited for by promise. */
export function openPipeOutput(fd: number): WritePieces {
  if (!fs.fstatSync(fd).isFIFO()) return (pieces) => writeWhole(fd, pieces)
  const carried = pipeGrowth(fd)
  return async (pieces) => {
    await writeWhole(fd, pieces)
    carried(pieces.reduce((sum, piece) => sum + piece.length, 0))
  }
}

/** Writes pieces in order, whole: at `position`, or where the descriptor stands. */
export async function writeWhole(fd: number, pieces: Bytes[], position?: number): Promise<void> {
  let at = position ?? null
  for (let from = 0; from < pieces.length; from += MOST_PIECES)
    for (let rest = pieces.slice(from, from + MOST_PIECES); rest.length > 0; ) {
      const count = await writeSome(fd, rest, at)
      rest = behind(rest, count)
      if (at !== null) at += count
    }
}

/** What is left of the pieces after `count` bytes of them. */
function behind(pieces: Bytes[], count: number): Bytes[] {
  let index = 0
  let left = count
  while (index < pieces.length && left >= pieces[index]!.length) left -= pieces[index++]!.length
  const rest = pieces.slice(index)
  if (left > 0) rest[0] = rest[0]!.subarray(left)
  return rest
}

function writeSome(fd: number, pieces: Bytes[], at: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, pieces, at, (error, count) => {
      if (!error) resolve(count)
      // Somebody who shares this descriptor made it non-blocking.
      else if (error.code === 'EAGAIN') setTimeout(() => resolve(0), 5)
      else reject(error)
    })
  })
}
