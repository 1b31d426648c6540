import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { min } from '../../min-max.js'
import { encryptedStreamOf, type Secrets, unlockKey } from '../encryption/unlock.js'
import { UNIT } from '../encryption/xts.js'
import { aff4 } from '../lexicon.js'
import type { Catalogue } from './catalogue.js'
import type { FoundMember } from './scan.js'

/** What pyaff4 writes, and where it isn't said. */
const USUAL_UNITS = 2048n
const MOST_UNITS = 1n << 20n

/**
 * The plain bytes of the encrypted stream in what was found of a volume: of a bevy that was cut what is there, zeros
 * where one is missing. Undefined where there is no such stream.
 * @throws as `unlock` does
 */
export async function openFoundEncrypted(
  source: ByteSource,
  { graph, streams }: Catalogue,
  secrets: Secrets | undefined,
): Promise<ByteSource | undefined> {
  const urn = encryptedStreamOf({ name: source.name, graph })
  if (urn === undefined) return undefined
  const decrypt = await unlockKey(source.name, graph, urn, secrets)
  const said = graph.integer(urn, aff4('chunksInSegment')) ?? USUAL_UNITS
  const units = said >= 1n && said <= MOST_UNITS ? said : USUAL_UNITS
  const bevyBytes = units * BigInt(UNIT)
  const bevies = new Map<bigint, FoundMember>()
  let end = 0n
  for (const [number, { data }] of streams.get(urn)?.bevies ?? []) {
    if (!data) continue
    bevies.set(BigInt(number), data)
    const reached = BigInt(number) * bevyBytes + wholeUnits(data, bevyBytes)
    if (reached > end) end = reached
  }
  const declared = graph.integer(urn, aff4('size'))
  const size = declared !== undefined && declared < end ? declared : end

  /** Plain bytes from `at` on, as far as they lie in one bevy. */
  async function readSome(at: bigint, most: number): Promise<Bytes> {
    const bevy = at / bevyBytes
    const within = at % bevyBytes
    const inBevy = Math.min(most, Number(bevyBytes - within))
    const data = bevies.get(bevy)
    const there = data ? wholeUnits(data, bevyBytes) - within : 0n
    if (!data || there <= 0n) return new Uint8Array(inBevy)
    const skip = Number(within % BigInt(UNIT))
    const length = Math.min(inBevy, Number(there))
    const bytes = Math.ceil((skip + length) / UNIT) * UNIT
    const stored = await source.read(data.start + within - BigInt(skip), bytes)
    const plain = Buffer.alloc(bytes)
    decrypt(stored.subarray(0, stored.length - (stored.length % UNIT)), at / BigInt(UNIT), plain)
    return plain.subarray(skip, skip + length)
  }

  return {
    name: source.name,
    size,
    async read(offset, length) {
      const left = size > offset ? size - offset : 0n
      const result = Buffer.allocUnsafe(clipLength(length, left))
      for (let done = 0; done < result.length; ) {
        const some = await readSome(offset + BigInt(done), result.length - done)
        result.set(some, done)
        done += some.length
      }
      return result
    },
    async close() {},
  }
}

function wholeUnits({ available }: FoundMember, bevyBytes: bigint): bigint {
  const whole = available - (available % BigInt(UNIT))
  return min(whole, bevyBytes)
}
