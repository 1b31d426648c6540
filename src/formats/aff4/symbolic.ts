import type { Bytes } from '../byte-source.js'

/** AFF4 Standard v1.0 §4.4: the two texts repeat in tiles of 1 MiB, and each tile restarts its text. */
const TILE = 0x100000
const TEXTS = { unreadable: 'UNREADABLEDATA', unknown: 'UNKNOWN' } as const
const tiles = new Map<keyof typeof TEXTS, Buffer>()

/** What a range without stored bytes reads as; a number is one byte repeated. */
export type SymbolicContent = 'zero' | 'unreadable' | 'unknown' | number

/** Fills `into` with what the symbolic stream holds from `address` on. */
export function fillSymbolic(content: SymbolicContent, address: bigint, into: Bytes): void {
  if (content === 'zero') into.fill(0)
  else if (typeof content === 'number') into.fill(content)
  else {
    const tile = tileOf(content)
    let within = Number(address % BigInt(TILE))
    for (let done = 0; done < into.length; within = 0) {
      const piece = tile.subarray(within, within + into.length - done)
      into.set(piece, done)
      done += piece.length
    }
  }
}

function tileOf(content: keyof typeof TEXTS): Buffer {
  let tile = tiles.get(content)
  if (!tile) {
    tile = Buffer.alloc(TILE, TEXTS[content])
    tiles.set(content, tile)
  }
  return tile
}
