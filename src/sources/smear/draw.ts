import { createHash } from 'node:crypto'
import type { Run } from '../../formats/address-space.js'

/**
 * Draws pages, each as likely as any other and none twice. The same seed draws the same ones of the same runs: Floyd's
 * algorithm, by numbers from SHA-256, so that anyone can repeat it.
 * @param runs ascending; asked for twice, and parts of pages at their ends are left out
 * @param count more than there are draws all of them
 * @returns their addresses, ascending
 */
export async function drawPages(
  runs: () => Iterable<Run> | AsyncIterable<Run>,
  pageSize: number,
  count: number,
  seed: number,
): Promise<BigUint64Array> {
  let total = 0n
  for await (const { pages } of wholePages(runs(), pageSize)) total += pages
  const drawn = drawNumbers(total, count, seed)
  const addresses = new BigUint64Array(drawn.length)
  let next = 0
  let before = 0n
  for await (const { start, pages } of wholePages(runs(), pageSize)) {
    for (; next < drawn.length && drawn[next]! < before + pages; next++)
      addresses[next] = start + (drawn[next]! - before) * BigInt(pageSize)
    before += pages
  }
  // Of runs that have become fewer in between, the last ones are not there any more.
  return addresses.subarray(0, next)
}

async function* wholePages(
  runs: Iterable<Run> | AsyncIterable<Run>,
  pageSize: number,
): AsyncGenerator<{ start: bigint; pages: bigint }> {
  const size = BigInt(pageSize)
  for await (const run of runs) {
    const start = ((run.start + size - 1n) / size) * size
    const end = run.start + run.length
    if (end > start) yield { start, pages: (end - start) / size }
  }
}

/** `count` of the numbers below `total`, ascending (Floyd, see Bentley: Programming Pearls, CACM 30, 1987). */
function drawNumbers(total: bigint, count: number, seed: number): bigint[] {
  const drawn = new Set<bigint>()
  const first = total > BigInt(count) ? total - BigInt(count) : 0n
  for (let last = first; last < total; last++) {
    const number = numberBelow(last + 1n, seed, last - first)
    drawn.add(drawn.has(number) ? last : number)
  }
  return [...drawn].sort((a, b) => (a < b ? -1 : 1))
}

/** The first 8 bytes of SHA-256 of `SEED:INDEX`, big-endian, scaled down to numbers below `limit`. */
function numberBelow(limit: bigint, seed: number, index: bigint): bigint {
  const bytes = createHash('sha256').update(`${seed}:${index}`).digest()
  return (bytes.readBigUInt64BE() * limit) >> 64n
}
