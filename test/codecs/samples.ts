import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'

/** Bytes that no codec makes shorter, the same ones for a seed. */
export function noise(size: number, seed = 0): Buffer {
  const start = Buffer.alloc(16)
  start.writeUInt32LE(seed)
  return createCipheriv('aes-128-ctr', 'a key for a test', start).update(Buffer.alloc(size))
}

/** Bytes as memory has them: zeros, text, pointers, noise, and mixtures. */
export function sample(kind: 'zero' | 'text' | 'pointers' | 'noise' | 'mixed', size: number): Buffer {
  switch (kind) {
    case 'zero':
      return Buffer.alloc(size)
    case 'text':
      return Buffer.alloc(size, 'the quick brown fox jumps over the lazy dog, again and again; ')
    case 'pointers': {
      const bytes = Buffer.alloc(size)
      for (let at = 0; at + 8 <= size; at += 8) bytes.writeUInt32LE((at * 40503) >>> 0, at)
      return bytes
    }
    case 'noise':
      return noise(size)
    case 'mixed':
      return Buffer.concat([sample('text', size >> 1), noise(size - (size >> 1))])
  }
}
export const SAMPLE_KINDS = ['zero', 'text', 'pointers', 'noise', 'mixed'] as const

/** Chunks of up to `most` bytes: what fast-check makes up, and samples. */
export function chunks(most: number): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: Math.min(most, 600) }),
    fc
      .record({ kind: fc.constantFrom(...SAMPLE_KINDS), size: fc.integer({ min: 1, max: most }) })
      .map(({ kind, size }) => sample(kind, size)),
  )
}
