import type { X509Certificate } from 'node:crypto'
import type { ByteSink, Bytes } from '../../byte-source.js'
import { pmem } from '../lexicon.js'
import { createVolume, type VolumeOptions, type VolumeWriter } from '../writer.js'
import { createEncryptedSink } from './encrypted-sink.js'
import { freshKey, type KeyBag, wrapForCertificate, wrapForPassword } from './key-bag.js'
import { createUnitCipher, UNIT, type UnitCipher } from './xts.js'

/** A key for one volume, and the bags that it is wrapped in. */
export interface Seal {
  readonly bags: readonly KeyBag[]
  readonly encrypt: UnitCipher
}

/**
 * Makes the key of a new volume, for all who may open it.
 * @throws {RangeError} when a certificate's key is none that can
 */
export async function createSeal(
  password: Bytes | undefined,
  certificates: readonly X509Certificate[],
): Promise<Seal> {
  const key = freshKey()
  try {
    return {
      bags: [
        ...(password ? [await wrapForPassword(key, password)] : []),
        ...certificates.map((certificate) => wrapForCertificate(key, certificate)),
      ],
      encrypt: createUnitCipher(key, 'encrypt'),
    }
  } finally {
    key.fill(0)
  }
}

/**
 * Begins a volume of version 1.2 inside the encrypted stream of another one. Nothing of it reaches the sink that is
 * not encrypted, but for the word that says how it ended.
 * @throws what the sink throws
 */
export async function createEncryptedVolume(
  sink: ByteSink,
  options: VolumeOptions,
  { bags, encrypt }: Seal,
): Promise<VolumeWriter> {
  const now = options.now ?? new Date()
  const outer = await createEncryptedSink(sink, { tool: options.tool, now }, bags, encrypt)
  // pyaff4 misreads a stream of several bevies whose last chunk is not whole.
  const inner = await createVolume(outer, { ...options, now, minor: 2, multiple: UNIT })
  return {
    ...inner,
    get intact() {
      return outer.intact
    },
    get finishBytes() {
      return outer.finishBytes(inner.finishBytes)
    },
    async dropUnflushed() {
      const lost = await inner.dropUnflushed()
      await outer.rewind(inner.intact)
      return lost
    },
    async finish() {
      await inner.finish()
      await outer.finish(inner.graph.value(inner.urn, pmem('status')))
    },
  }
}
