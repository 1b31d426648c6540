/** Numbers that come again with the same seed: xorshift32. */
export function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

const INTERESTING = [
  0, 1, 2, 7, 8, 23, 24, 63, 64, 0x7f, 0x80, 0xff, 0x100, 0x3ff, 0x400, 0x7fff, 0x8000, 0xffff,
]

/** Writes one to eight changes over a copy: bits, bytes, numbers at the edges of their range, bytes from elsewhere. */
export function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  const mutant = Buffer.from(bytes)
  for (let left = 1 + random(8); left > 0; left--) {
    // Most of what counts stands at the front, 8-aligned.
    const room = random(2) === 0 ? mutant.length : Math.min(mutant.length, 0x200)
    const at = random(2) === 0 ? random(room) : random(Math.ceil(room / 8)) * 8 + [0, 4, 6, 7][random(4)]!
    const value = INTERESTING[random(INTERESTING.length)]!
    const kind = random(6)
    if (kind === 0 && at < mutant.length) mutant[at]! ^= 1 << random(8)
    else if (kind === 1 && at < mutant.length) mutant[at] = random(256)
    else if (kind === 2 && at + 2 <= mutant.length) mutant.writeUInt16LE(value, at)
    else if (kind === 3 && at + 4 <= mutant.length)
      mutant.writeUInt32LE(random(2) ? value : 2 ** 32 - 1 - value, at)
    else if (kind === 4 && at + 8 <= mutant.length)
      mutant.writeBigUInt64LE(2n ** BigInt(random(64)) - BigInt(random(2)), at)
    else mutant.copy(mutant, at, random(mutant.length), random(mutant.length))
  }
  return mutant
}
