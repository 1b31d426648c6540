import {
  createCipheriv,
  createDecipheriv,
  type KeyObject,
  pbkdf2,
  randomBytes,
  type X509Certificate,
} from 'node:crypto'
import { promisify } from 'node:util'
import type { Bytes } from '../../byte-source.js'
import { aff4, hexBinary, integer, iri, RDF_TYPE, text } from '../lexicon.js'
import { freshUrn } from '../names.js'
import type { Graph } from '../turtle.js'
import { decryptOaep, encryptOaep } from './oaep.js'
import { KEY_SIZE } from './xts.js'

/**
 * Key bags: each holds the key of a stream, wrapped for one who may open it. An aff4:PasswordWrappedKeyBag says
 *
 *     salt, iterations   of PBKDF2-HMAC-SHA256, which makes 32 bytes of the password's UTF-8
 *     wrappedKey         AES-256 key wrap (RFC 3394) under these: 8 bytes longer than the key
 *     keySizeInBytes     32
 *
 * and an aff4:PublicKeyEncryptedKeyBag
 *
 *     x509SubjectName    of the certificate, as RFC 4514 writes it
 *     serialNumber       of the certificate, decimal
 *     wrappedKey         RSA-OAEP of the key, as long as the modulus
 *     keySizeInBytes     32
 */
export type KeyBag = PasswordBag | CertificateBag

export interface PasswordBag {
  readonly kind: 'password'
  readonly salt: Bytes
  readonly iterations: number
  readonly wrappedKey: Bytes
}

export interface CertificateBag {
  readonly kind: 'certificate'
  readonly subject: string
  readonly serial: string
  readonly wrappedKey: Bytes
}

/** What pyaff4 takes is up to the writer; this many are a fifth of a second. */
const ITERATIONS = 600_000
/** Of all bags together, half a minute: a hostile volume must not make anybody wait longer. */
const MOST_ITERATIONS = 100_000_000n
const SALT_SIZE = 16
const LARGEST_SALT = 1024
/** Of 16384 bits. */
const LARGEST_WRAPPED_KEY = 2048
const MOST_BAGS = 1000
/** Of what goes into messages. */
const LONGEST_NAME = 200

const WRAP = 'id-aes256-wrap'
const WRAP_IV = Buffer.alloc(8, 0xa6)
const WRAP_BYTES = 8

/** A key for a new stream. Its halves differ, as AES-XTS demands. */
export function freshKey(): Buffer {
  for (;;) {
    const key = randomBytes(KEY_SIZE)
    if (key.compare(key, KEY_SIZE / 2, KEY_SIZE, 0, KEY_SIZE / 2) !== 0) return key
  }
}

export async function wrapForPassword(
  key: Bytes,
  password: Bytes,
  iterations = ITERATIONS,
): Promise<PasswordBag> {
  const salt = randomBytes(SALT_SIZE)
  const wrapping = await stretch(password, salt, iterations)
  const wrappedKey = createCipheriv(WRAP, wrapping, WRAP_IV).update(key)
  wrapping.fill(0)
  return { kind: 'password', salt, iterations, wrappedKey }
}

/** The key in a bag; undefined when the password is another one. */
export async function unwrapByPassword(bag: PasswordBag, password: Bytes): Promise<Buffer | undefined> {
  const wrapping = await stretch(password, bag.salt, bag.iterations)
  try {
    return createDecipheriv(WRAP, wrapping, WRAP_IV).update(bag.wrappedKey)
  } catch {
    return undefined
  } finally {
    wrapping.fill(0)
  }
}

/** Runs beside the event loop, so that a signal is seen. */
const stretch = (password: Bytes, salt: Bytes, iterations: number): Promise<Buffer> =>
  promisify(pbkdf2)(password, salt, iterations, KEY_SIZE, 'sha256')

/**
 * @throws {RangeError} when the certificate's key is not RSA, or too short
 */
export function wrapForCertificate(key: Bytes, certificate: X509Certificate): CertificateBag {
  const { publicKey, subject, serialNumber } = certificate
  if (publicKey.asymmetricKeyType !== 'rsa') throw new RangeError(`a key of ${publicKey.asymmetricKeyType}`)
  return {
    kind: 'certificate',
    subject: (subject ?? '').split('\n').reverse().join(','),
    serial: String(BigInt(`0x${serialNumber}`)),
    wrappedKey: encryptOaep(publicKey, key),
  }
}

/** The key in a bag; undefined when it is for another certificate. */
export function unwrapByKey(bag: CertificateBag, privateKey: KeyObject): Buffer | undefined {
  const key = decryptOaep(privateKey, bag.wrappedKey)
  return key?.length === KEY_SIZE ? key : undefined
}

const TYPES = { password: 'PasswordWrappedKeyBag', certificate: 'PublicKeyEncryptedKeyBag' } as const

/** Says that a stream has a key bag, and what is in it. */
export function describeKeyBag(graph: Graph, stream: string, bag: KeyBag): void {
  const urn = freshUrn()
  graph.add(stream, aff4('keyBag'), iri(urn))
  graph.add(urn, RDF_TYPE, iri(aff4(TYPES[bag.kind])))
  graph.add(urn, aff4('keySizeInBytes'), integer(KEY_SIZE))
  graph.add(urn, aff4('wrappedKey'), hexBinary(bag.wrappedKey))
  if (bag.kind === 'password') {
    graph.add(urn, aff4('salt'), hexBinary(bag.salt))
    graph.add(urn, aff4('iterations'), integer(bag.iterations))
  } else {
    graph.add(urn, aff4('x509SubjectName'), text(bag.subject))
    graph.add(urn, aff4('serialNumber'), integer(BigInt(bag.serial)))
  }
}

export interface KeyBags {
  readonly bags: readonly KeyBag[]
  /** Why others can't be used. */
  readonly problems: readonly string[]
}

/** The key bags of a stream. One that can't be used is no reason to leave the others closed. */
export function readKeyBags(graph: Graph, stream: string): KeyBags {
  const bags: KeyBag[] = []
  const problems: string[] = []
  const urns = graph.all(stream, aff4('keyBag')).map(({ value }) => value)
  let iterations = 0n
  if (urns.length > MOST_BAGS) problems.push(`${urns.length} key bags, of which ${MOST_BAGS} are looked at`)
  for (const urn of urns.slice(0, MOST_BAGS)) {
    const bag = readKeyBag(graph, urn)
    if (typeof bag !== 'string' && bag.kind === 'password') iterations += BigInt(bag.iterations)
    if (typeof bag === 'string') problems.push(`key bag ${urn}: ${bag}`)
    else if (iterations > MOST_ITERATIONS) problems.push(`key bag ${urn}: more iterations than are done`)
    else bags.push(bag)
  }
  return { bags, problems }
}

/** A bag, or what is wrong with it. */
function readKeyBag(graph: Graph, urn: string): KeyBag | string {
  const isA = (kind: KeyBag['kind']) => graph.isA(urn, aff4(TYPES[kind]))
  if (!isA('password') && !isA('certificate')) {
    const type = graph.value(urn, RDF_TYPE)
    return type === undefined ? 'is not described' : `its type ${type.slice(0, LONGEST_NAME)} is not known`
  }
  if (graph.integer(urn, aff4('keySizeInBytes')) !== BigInt(KEY_SIZE))
    return `its key has not ${KEY_SIZE} bytes`
  const wrappedKey = bytesOf(graph, urn, 'wrappedKey', LARGEST_WRAPPED_KEY)
  if (!wrappedKey) return 'its wrapped key is not hexadecimal'
  if (isA('certificate')) {
    const said = (term: string) => (graph.value(urn, aff4(term)) ?? '').slice(0, LONGEST_NAME)
    const [subject, serial] = [said('x509SubjectName'), said('serialNumber')]
    return { kind: 'certificate', subject, serial, wrappedKey }
  }
  if (wrappedKey.length !== KEY_SIZE + WRAP_BYTES) return `a wrapped key of ${wrappedKey.length} bytes`
  const salt = bytesOf(graph, urn, 'salt', LARGEST_SALT)
  if (!salt) return 'its salt is not hexadecimal'
  const iterations = graph.integer(urn, aff4('iterations'))
  if (iterations === undefined || iterations < 1n || iterations > MOST_ITERATIONS)
    return `${iterations ?? 'an unknown number of'} iterations, not 1 to ${MOST_ITERATIONS}`
  return { kind: 'password', salt, iterations: Number(iterations), wrappedKey }
}

/** A hexBinary value of 1 to `most` bytes. */
function bytesOf(graph: Graph, urn: string, term: string, most: number): Buffer | undefined {
  const value = graph.value(urn, aff4(term)) ?? ''
  return value.length <= 2 * most && /^(?:[0-9a-f]{2})+$/i.test(value) ? Buffer.from(value, 'hex') : undefined
}
