import type { KeyObject } from 'node:crypto'
import type { ByteSource } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { LockedError } from '../../locked-error.js'
import { aff4 } from '../lexicon.js'
import type { Graph } from '../turtle.js'
import type { Volume } from '../volume.js'
import { openEncryptedStream } from './encrypted-source.js'
import { type KeyBags, readKeyBags, unwrapByKey, unwrapByPassword } from './key-bag.js'
import { createUnitCipher, type UnitCipher } from './xts.js'

/** Bags that a message tells of. */
const MOST_TOLD = 5

/** What may open volumes. */
export interface Secrets {
  /** The password, a copy that is wiped after use; undefined where there is none to be had. */
  password(volume: string): Promise<Buffer | undefined>
  /** A private RSA key; where there is one, no password is asked for. */
  privateKey(): Promise<KeyObject | undefined>
}

/** The stream of a volume that is nothing but the wrapping of another one; undefined for any other volume. */
export function encryptedStreamOf({ name, graph }: Pick<Volume, 'name' | 'graph'>): string | undefined {
  const streams = [...graph.subjects()].filter((subject) => graph.isA(subject, aff4('EncryptedStream')))
  if (streams.length > 1)
    throw new FormatError(`${name}: ${streams.length} encrypted streams, of which one is read`)
  return streams[0]
}

/**
 * The volume inside an encrypted stream, as bytes.
 * @throws {LockedError} when a secret is missing, or another one
 * @throws {FormatError} when the stream, or all of its key bags, are damaged
 */
export const unlock = async (
  volume: Volume,
  stream: string,
  secrets: Secrets | undefined,
): Promise<ByteSource> =>
  openEncryptedStream(volume, stream, await unlockKey(volume.name, volume.graph, stream, secrets))

/**
 * The cipher that decrypts a stream.
 * @param name what messages call the volume
 * @param graph says what its key bags are
 * @throws as `unlock` does
 */
export async function unlockKey(
  name: string,
  graph: Graph,
  stream: string,
  secrets: Secrets | undefined,
): Promise<UnitCipher> {
  const key = await findKey(name, readKeyBags(graph, stream), secrets)
  try {
    return createUnitCipher(key, 'decrypt')
  } catch (error) {
    throw error instanceof RangeError ? new FormatError(`${name}: ${error.message}`) : error
  } finally {
    key.fill(0)
  }
}

async function findKey(name: string, keyBags: KeyBags, secrets: Secrets | undefined): Promise<Buffer> {
  const { bags, problems } = keyBags
  if (bags.length === 0)
    throw new FormatError(`${name}: encrypted, and no key bag can be used: ${problems[0] ?? 'there is none'}`)
  const passwords = bags.filter((bag) => bag.kind === 'password')
  const certificates = bags.filter((bag) => bag.kind === 'certificate')
  const others = problems.length > 0 ? ` (${problems.slice(0, MOST_TOLD).join('; ')})` : ''

  const privateKey = await secrets?.privateKey()
  if (privateKey) {
    for (const bag of certificates) {
      const key = unwrapByKey(bag, privateKey)
      if (key) return key
    }
    throw new LockedError(`${name}: encrypted for ${describe(keyBags)}: not for this private key${others}`)
  }

  const password = passwords.length > 0 ? await secrets?.password(name) : undefined
  if (!password)
    throw new LockedError(`${name}: encrypted for ${describe(keyBags)}${others}`, [
      ...(passwords.length > 0 ? (['password'] as const) : []),
      ...(certificates.length > 0 ? (['certificate'] as const) : []),
    ])
  try {
    for (const bag of passwords) {
      const key = await unwrapByPassword(bag, password)
      if (key) return key
    }
  } finally {
    password.fill(0)
  }
  throw new LockedError(`${name}: wrong password: it does not unwrap the key${others}`)
}

/** `a password, 2 certificates (CN=…, serial 7; …)`. */
function describe({ bags }: KeyBags): string {
  const passwords = bags.filter(({ kind }) => kind === 'password').length
  const named = bags.flatMap((bag) =>
    bag.kind === 'certificate' ? [`${bag.subject || 'no name'}, serial ${bag.serial}`] : [],
  )
  const counted = (count: number, what: string) => (count === 1 ? `1 ${what}` : `${count} ${what}s`)
  return [
    ...(passwords > 0 ? [counted(passwords, 'password')] : []),
    ...(named.length > 0
      ? [`${counted(named.length, 'certificate')} (${named.slice(0, MOST_TOLD).join('; ')})`]
      : []),
  ].join(' and ')
}
