/** How a chunk is written. */
export type ChunkStyle = 'compressed' | 'stored'

const CHUNK_SIZE = 4096
const SIGNATURE = 0x3000
const COMPRESSED = 0x8000

/**
 * A slow LZNT1 encoder, to have input for the decoder.
 * @param chunks plain bytes of each chunk, 4096 at most; shorter ones are padded when they are read
 */
export function compressLznt1(chunks: readonly { plain: Buffer; style: ChunkStyle }[]): Buffer {
  const parts = chunks.map(({ plain, style }) => {
    const payload = style === 'stored' ? plain : compressChunk(plain)
    const header = Buffer.alloc(2)
    header.writeUInt16LE((payload.length + 2 - 3) | SIGNATURE | (style === 'compressed' ? COMPRESSED : 0))
    return Buffer.concat([header, payload])
  })
  return Buffer.concat(parts)
}

/** What a chunk may need: every byte a literal, and a byte of flags for eight of them. */
export const isCompressible = (plain: Buffer): boolean =>
  plain.length <= CHUNK_SIZE && compressChunk(plain).length <= CHUNK_SIZE

function compressChunk(plain: Buffer): Buffer {
  const items: Buffer[] = []
  const references: boolean[] = []
  for (let at = 0; at < plain.length; ) {
    const lengthBits = 16 - distanceBits(at)
    const { distance, length } = longestMatch(plain, at, (1 << lengthBits) - 1 + 3)
    const reference = length >= 3
    references.push(reference)
    if (reference) {
      const item = Buffer.alloc(2)
      item.writeUInt16LE(((distance - 1) << lengthBits) | (length - 3))
      items.push(item)
      at += length
    } else items.push(plain.subarray(at, ++at))
  }
  const groups: Buffer[] = []
  for (let first = 0; first < items.length; first += 8) {
    let flags = 0
    references.slice(first, first + 8).forEach((reference, bit) => {
      if (reference) flags |= 1 << bit
    })
    groups.push(Buffer.of(flags), ...items.slice(first, first + 8))
  }
  return Buffer.concat(groups)
}

function distanceBits(position: number): number {
  let bits = 4
  while (1 << bits < position) bits++
  return bits
}

/** Looks at the nearest distances alone, and at those that end with the longest the field can say. */
function longestMatch(plain: Buffer, at: number, most: number): { distance: number; length: number } {
  let best = { distance: 0, length: 0 }
  const distances = [...Array(40).keys()].map((near) => near + 1).concat(at, at - 1, 2048, 1024, 512, 64)
  for (const distance of distances) {
    if (distance < 1 || distance > at) continue
    let length = 0
    while (
      length < most &&
      at + length < plain.length &&
      plain[at + length] === plain[at + length - distance]
    )
      length++
    if (length > best.length) best = { distance, length }
  }
  return best
}
