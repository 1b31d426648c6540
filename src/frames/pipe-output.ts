import fs from 'node:fs'
import type { Bytes } from '../formats/byte-source.js'
import { enlargePipe } from './pipe-size.js'

/** Most pieces that one writev takes (IOV_MAX). */
const MOST_PIECES = 1024

/** Writes pieces in order, whole; resolves when the system has taken them all. */
export type WritePieces = (pieces: Bytes[]) => Promise<void>

/** Standard output, or another descriptor that may be a pipe: written in a thread, waited for by promise. */
export function openPipeOutput(fd: number): WritePieces {
  if (fs.fstatSync(fd).isFIFO()) enlargePipe(fd)
  return async (pieces) => {
    for (let from = 0; from < pieces.length; from += MOST_PIECES)
      await writeWhole(fd, pieces.slice(from, from + MOST_PIECES))
  }
}

async function writeWhole(fd: number, pieces: Bytes[]): Promise<void> {
  let rest = pieces
  while (rest.length > 0) rest = behind(rest, await writeSome(fd, rest))
}

/** What is left of the pieces after `count` bytes of them. */
export function behind(pieces: Bytes[], count: number): Bytes[] {
  let index = 0
  let left = count
  while (index < pieces.length && left >= pieces[index]!.length) left -= pieces[index++]!.length
  const rest = pieces.slice(index)
  if (left > 0) rest[0] = rest[0]!.subarray(left)
  return rest
}

function writeSome(fd: number, pieces: Bytes[]): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, pieces, (error, count) => {
      if (!error) resolve(count)
      // Somebody who shares this descriptor made it non-blocking.
      else if (error.code === 'EAGAIN') setTimeout(() => resolve(0), 5)
      else reject(error)
    })
  })
}
