import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { createUnitCipher, KEY_SIZE, UNIT } from '../../../../src/formats/aff4/encryption/xts.js'

/** The cipher as OpenSSL has it, a unit at a time. */
function reference(key: Uint8Array, bytes: Uint8Array, unit: bigint, encrypt: boolean): Buffer {
  const create = encrypt ? createCipheriv : createDecipheriv
  const units: Buffer[] = []
  for (let at = 0; at < bytes.length; at += UNIT) {
    const tweak = Buffer.alloc(16)
    tweak.writeBigUInt64LE(unit + BigInt(at / UNIT))
    units.push(create('aes-128-xts', key, tweak).update(bytes.subarray(at, at + UNIT)))
  }
  return Buffer.concat(units)
}

const keys = fc.uint8Array({ minLength: KEY_SIZE, maxLength: KEY_SIZE }).filter(halvesDiffer)

function halvesDiffer(key: Uint8Array): boolean {
  return Buffer.compare(key.subarray(0, 16), key.subarray(16)) !== 0
}

test('many units at once encrypt and decrypt as OpenSSL does them one by one', (t) => {
  const counts = fc.integer({ min: 0, max: 300 })
  const numbers = fc.bigInt({ min: 0n, max: (1n << 64n) - 301n })
  fc.assert(
    fc.property(keys, counts, numbers, fc.nat({ max: 7 }), (key, count, unit, shift) => {
      // Views need not begin where a word does.
      const plain = randomBytes(count * UNIT + 8).subarray(shift, shift + count * UNIT)
      const into = Buffer.alloc(plain.length)
      createUnitCipher(key, 'encrypt')(plain, unit, into)
      t.true(into.equals(reference(key, plain, unit, true)))
      const back = Buffer.alloc(plain.length)
      createUnitCipher(key, 'decrypt')(into, unit, back)
      t.true(back.equals(plain))
      t.true(back.equals(reference(key, into, unit, false)))
    }),
    { numRuns: 60 },
  )
})

test('units may be encrypted where they lie', (t) => {
  const key = randomBytes(KEY_SIZE)
  const plain = randomBytes(200 * UNIT)
  const bytes = Buffer.from(plain)
  createUnitCipher(key, 'encrypt')(bytes, 5n, bytes)
  t.true(bytes.equals(reference(key, plain, 5n, true)))
})

test('a key may be wiped once the cipher has it', (t) => {
  const key = randomBytes(KEY_SIZE)
  const plain = randomBytes(UNIT)
  const expected = reference(key, plain, 1n, true)
  const encrypt = createUnitCipher(key, 'encrypt')
  key.fill(0)
  const into = Buffer.alloc(UNIT)
  encrypt(plain, 1n, into)
  t.true(into.equals(expected))
})

test('keys of other sizes, keys with equal halves and parts of units are refused', (t) => {
  t.throws(() => createUnitCipher(randomBytes(31), 'encrypt'), { instanceOf: RangeError })
  t.throws(() => createUnitCipher(randomBytes(64), 'decrypt'), { instanceOf: RangeError })
  const half = randomBytes(16)
  t.throws(() => createUnitCipher(Buffer.concat([half, half]), 'encrypt'), { message: /halves/ })
  const encrypt = createUnitCipher(randomBytes(KEY_SIZE), 'encrypt')
  t.throws(() => encrypt(Buffer.alloc(513), 0n, Buffer.alloc(513)), { instanceOf: RangeError })
})
