import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bytes } from '../../formats/byte-source.js'
import { isDamage } from '../../formats/format-error.js'
import type { ReadBytes } from '../salvage.js'
import type { PageFate } from './tally.js'

/** Signals are seen only between turns of the event loop. */
const TURN_MS = 40

/** Pages as they were read, to be compared with what they are later. */
export interface Sample {
  /** Keeps what of the sample is in bytes that have just been read. Addresses ascend from call to call. */
  keep(address: bigint, bytes: Bytes): void
  /**
   * Reads all pages again. What fails counts as unreadable, and all the rest where the memory itself is gone.
   * Undefined after an interruption.
   */
  compare(read: ReadBytes, interrupted: AbortSignal): Promise<PageFate[] | undefined>
}

/** @param addresses of pages, ascending */
export function openSample(addresses: BigUint64Array, pageSize: number): Sample {
  const kept = Buffer.alloc(addresses.length * pageSize)
  /** When each was read, by a clock that does not jump; NaN where it was not. */
  const readAt = new Float64Array(addresses.length).fill(Number.NaN)
  const pageOf = (index: number) => kept.subarray(index * pageSize, (index + 1) * pageSize)
  let next = 0

  return {
    keep(address, bytes) {
      const end = address + BigInt(bytes.length)
      for (; next < addresses.length && addresses[next]! < end; next++) {
        const page = addresses[next]!
        if (page < address || page + BigInt(pageSize) > end) continue
        kept.set(bytes.subarray(Number(page - address), Number(page - address) + pageSize), next * pageSize)
        readAt[next] = performance.now()
      }
    },
    async compare(read, interrupted) {
      const fates: PageFate[] = []
      const slab = Buffer.alloc(pageSize)
      let gone = false
      async function readAgain(address: bigint): Promise<Bytes | undefined> {
        try {
          const bytes = await read(address, pageSize, slab)
          return bytes.length === pageSize ? bytes : undefined
        } catch (error) {
          gone = !isDamage(error)
          return undefined
        }
      }
      let turnedAt = performance.now()
      for (const [index, address] of addresses.entries()) {
        if (performance.now() - turnedAt >= TURN_MS) {
          await nextTurn()
          turnedAt = performance.now()
        }
        if (interrupted.aborted) return undefined
        const again = gone || Number.isNaN(readAt[index]) ? undefined : await readAgain(address)
        const age = performance.now() - readAt[index]!
        if (again === undefined) fates.push({ address, fate: 'unreadable' })
        else fates.push({ address, fate: pageOf(index).equals(again) ? 'same' : 'changed', age })
      }
      return fates
    },
  }
}
