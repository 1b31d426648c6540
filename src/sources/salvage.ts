import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FilePlace } from '../codecs/chunk-reader.js'
import { settleBytes } from '../codecs/copy-bytes.js'
import type { Bytes } from '../formats/byte-source.js'

/**
 * Reads up to `length` bytes at `address`, into `slab` or into memory of its own, which then stays as it is.
 * Fewer bytes than asked for say nothing about the next one; none say that there is nothing here.
 * @throws the operating system's error, or a FormatError from an image
 */
export type ReadBytes = (address: bigint, length: number, slab: Bytes) => Bytes | Promise<Bytes>

/** What evidence is read from: a file, a device, a memory. */
export interface Medium {
  readonly read: ReadBytes
  /** Reads again what `read` failed at, past any cache; `read` itself where absent. */
  readonly reread?: ReadBytes
  /** Where in a file the bytes of a range stand, side by side; absent where `read` does more than to read a file. */
  readonly place?: (address: bigint, length: number) => FilePlace | undefined
  /** Bytes that fail together, a power of two: a sector, a page. */
  readonly unit: number
  /** How often a unit that failed is tried again. */
  readonly retries: number
  /** Whether an error means bytes that cannot be read. Any other ends the reading. */
  isDamage(error: unknown): boolean
}

/** A part of what was asked for, counted from its first byte. */
export interface Part {
  readonly from: number
  readonly to: number
  /** Why it could not be read; absent where it was. */
  readonly error?: unknown
}

export interface Salvaged {
  /** Ascending, without gaps. */
  readonly parts: Part[]
  /** Where the parts end: short of what was asked for where the medium ends or fails, and when interrupted. */
  readonly reached: number
  /** The error that ended the reading. */
  readonly failure?: unknown
}

/** Signals are seen only between turns of the event loop. */
const TURN_MS = 40

/**
 * Fills `into` with the bytes at `address` as far as they can be read. What fails is halved down to single
 * units, so that a bad sector costs itself only and a good half is one read; then the bad units are tried again.
 */
export async function salvage(
  medium: Medium,
  address: bigint,
  into: Bytes,
  interrupted?: AbortSignal,
): Promise<Salvaged> {
  let lastTurn = performance.now()
  let damaged = false

  async function mayGoOn(): Promise<boolean> {
    if (performance.now() - lastTurn >= TURN_MS) {
      await nextTurn()
      lastTurn = performance.now()
    }
    return !interrupted?.aborted
  }

  /** How many bytes came, or why none did. */
  async function attempt(from: number, to: number): Promise<{ count: number; error?: unknown }> {
    const place = into.subarray(from, to)
    try {
      const read = (damaged && medium.reread) || medium.read
      const got = await read(address + BigInt(from), place.length, place)
      settleBytes(place, got)
      return { count: got.length }
    } catch (error) {
      damaged = true
      return { count: 0, error }
    }
  }

  const tried: Part[] = []
  const pending: Part[] = [{ from: 0, to: into.length }]
  let failure: unknown
  for (let part = pending.pop(); part && (await mayGoOn()); part = pending.pop()) {
    const { from, to } = part
    const { count, error } = await attempt(from, to)
    if (error === undefined) {
      if (count === 0) break
      tried.push({ from, to: from + count })
      if (from + count < to) pending.push({ from: from + count, to })
    } else if (!medium.isDamage(error)) {
      failure = error
      break
    } else {
      const middle = halfway(medium.unit, address, from, to)
      if (middle === undefined) tried.push({ from, to, error })
      else pending.push({ from: middle, to }, { from, to: middle })
    }
  }

  const parts: Part[] = []
  for (const part of tried) {
    let { error } = part
    for (let retry = 0; error !== undefined && retry < medium.retries && (await mayGoOn()); retry++) {
      const again = await attempt(part.from, part.to)
      if (again.count === part.to - part.from) error = undefined
    }
    const last = parts.at(-1)
    const { from, to } = part
    if (last && (last.error === undefined) === (error === undefined))
      parts[parts.length - 1] = { ...last, to }
    else parts.push(error === undefined ? { from, to } : { from, to, error })
  }
  return { parts, reached: tried.at(-1)?.to ?? 0, ...(failure !== undefined && { failure }) }
}

/** The boundary of units nearest to the middle, undefined inside a single unit. */
function halfway(unit: number, address: bigint, from: number, to: number): number | undefined {
  const before = Number(address % BigInt(unit))
  const middle = Math.floor((before + (from + to) / 2) / unit) * unit - before
  if (middle > from) return middle
  return middle + unit < to ? middle + unit : undefined
}
