import {
  constants,
  createHash,
  hash,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { isZero } from '../../../codecs/zero.js'
import type { Bytes } from '../../byte-source.js'

/**
 * RSA-OAEP (RFC 8017 §7.1) with SHA-256 for the label and SHA-1 for the mask, as pyaff4 has it; Node's own padding
 * takes one digest for both. The label is empty. A block of as many bytes as the modulus:
 *
 *      0   1  zero
 *      1  32  seed, masked by MGF1 over the rest
 *     33   …  masked by MGF1 over the seed: SHA-256 of the label, zeros, 01, the message
 */
const LABEL = hash('sha256', '', 'buffer')
const DIGEST = LABEL.length
const MASK_DIGEST = 20

/**
 * Encrypts a short message.
 * @throws {RangeError} when the key is too short for it
 */
export function encryptOaep(key: KeyObject, message: Bytes): Buffer {
  const size = modulusBytes(key)
  const block = Buffer.alloc(size)
  const [seed, rest] = [block.subarray(1, 1 + DIGEST), block.subarray(1 + DIGEST)]
  if (message.length + DIGEST + 1 > rest.length) throw new RangeError(`an RSA key of ${size * 8} bits`)
  seed.set(randomBytes(DIGEST))
  rest.set(LABEL)
  rest[rest.length - message.length - 1] = 1
  rest.set(message, rest.length - message.length)
  mask(rest, seed)
  mask(seed, rest)
  return publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block)
}

/** Decrypts what `encryptOaep` gave; undefined when it was not for this key, or is damaged. */
export function decryptOaep(key: KeyObject, encrypted: Bytes): Buffer | undefined {
  const size = modulusBytes(key)
  if (encrypted.length !== size || size < 2 * DIGEST + 2) return undefined
  let block: Buffer
  try {
    block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, encrypted)
  } catch {
    // Not smaller than the modulus: encrypted for another key.
    return undefined
  }
  const [seed, rest] = [block.subarray(1, 1 + DIGEST), block.subarray(1 + DIGEST)]
  mask(seed, rest)
  mask(rest, seed)
  const one = rest.indexOf(1, DIGEST)
  const good =
    block[0] === 0 &&
    timingSafeEqual(rest.subarray(0, DIGEST), LABEL) &&
    one > 0 &&
    isZero(rest.subarray(DIGEST, one))
  const message = good ? Buffer.from(rest.subarray(one + 1)) : undefined
  block.fill(0)
  return message
}

/** MGF1 (RFC 8017 §B.2.1) over `seed`, laid over `bytes`. */
function mask(bytes: Buffer, seed: Buffer): void {
  const counter = Buffer.alloc(4)
  for (let at = 0; at < bytes.length; at += MASK_DIGEST) {
    counter.writeUInt32BE(at / MASK_DIGEST)
    const pad = createHash('sha1').update(seed).update(counter).digest()
    for (let index = 0; index < MASK_DIGEST && at + index < bytes.length; index++)
      bytes[at + index]! ^= pad[index]!
  }
}

const modulusBytes = (key: KeyObject): number => Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
