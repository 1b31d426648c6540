import { firstIndex } from '../address-space.js'
import type { Report } from './finding.js'

/** Numbers beyond are no record's: Windows has 32 bits for them. */
const MOST_RECORDS = 2 ** 32
const LOW = 0xffffffffn
/** 256 MiB, of more names than any volume of Windows was seen with. */
const MOST_PAIRS = 2 ** 25

/** Which records bear names in which directories, by their numbers: 8 bytes of each. */
export interface LinkPairs {
  readonly count: number
  /** Ascending, each once. */
  childrenOf(parent: number): Generator<number>
  /** Those that anything names, ascending, each once. */
  parents(): Generator<number>
}

export interface LinkCollector {
  add(parent: number, child: number): void
  end(): LinkPairs
}

/** @param report told when there are more than are kept */
export function collectLinks(report: Report): LinkCollector {
  let pairs = new BigUint64Array(1024)
  let count = 0
  return {
    add(parent, child) {
      if (child >= MOST_RECORDS || parent >= MOST_RECORDS) return
      if (count === MOST_PAIRS) {
        report({ message: `more than ${MOST_PAIRS} names stand in $MFT; those behind are left out` })
        return
      }
      if (count === pairs.length) {
        const larger = new BigUint64Array(2 * count)
        larger.set(pairs)
        pairs = larger
      }
      pairs[count++] = (BigInt(parent) << 32n) | BigInt(child)
    },
    end: () => openPairs(sortOnce(pairs.subarray(0, count))),
  }
}

/** Parent above, child below, ascending, each once. */
function sortOnce(pairs: BigUint64Array): BigUint64Array {
  const sorted = pairs.sort()
  let unique = 0
  for (const pair of sorted) if (unique === 0 || sorted[unique - 1] !== pair) sorted[unique++] = pair
  return sorted.subarray(0, unique)
}

const openPairs = (pairs: BigUint64Array): LinkPairs => ({
  count: pairs.length,
  *childrenOf(parent) {
    const end = BigInt(parent + 1) << 32n
    for (let at = firstAt(pairs, BigInt(parent) << 32n); at < pairs.length && pairs[at]! < end; at++)
      yield Number(pairs[at]! & LOW)
  },
  *parents() {
    for (let at = 0; at < pairs.length; ) {
      const parent = Number(pairs[at]! >> 32n)
      yield parent
      at = firstAt(pairs, BigInt(parent + 1) << 32n)
    }
  },
})

/** Where the first pair that is not below `least` stands. */
const firstAt = (pairs: BigUint64Array, least: bigint): number =>
  firstIndex(pairs.length, (at) => pairs[at]! >= least)
