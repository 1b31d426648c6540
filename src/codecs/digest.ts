import { createHash } from 'node:crypto'

/** Digests by the names that DIGEST frames and the command line use; OpenSSL knows them by the same. */
export const DIGESTS = ['md5', 'sha1', 'sha256', 'sha512', 'blake2b512'] as const
export type DigestName = (typeof DIGESTS)[number]

/** Whether `name` is one of `DIGESTS`. */
export function isDigestName(name: string): name is DigestName {
  return DIGESTS.some((known) => known === name)
}

/** Several digests of the same bytes, fed piece by piece. */
export interface Digests {
  update(bytes: Uint8Array): void
  /** Lower-case hex by name, in the order asked for. Ends the digests. */
  values(): Map<DigestName, string>
}

/** Starts digests of the given names; a name given twice counts once. */
export function openDigests(names: Iterable<DigestName>): Digests {
  const hashes = [...new Set(names)].map((name) => [name, createHash(name)] as const)
  return {
    update(bytes) {
      for (const [, hash] of hashes) hash.update(bytes)
    },
    values: () => new Map(hashes.map(([name, hash]) => [name, hash.digest('hex')])),
  }
}

/** One digest of bytes that are all there, as lower-case hex. */
export function digestOf(name: DigestName, bytes: Uint8Array): string {
  return createHash(name).update(bytes).digest('hex')
}
