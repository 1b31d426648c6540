import { readFileSync } from 'node:fs'
import { deflateRawSync, deflateSync } from 'node:zlib'
import test from 'ava'
import { looksLikeNoise } from '../../src/codecs/noise.js'
import { noise, SAMPLE_KINDS, sample } from './samples.js'

const CHUNK = 32 << 10
const chunksOf = (bytes: Uint8Array) =>
  Array.from({ length: Math.floor(bytes.length / CHUNK) }, (_, i) =>
    bytes.subarray(i * CHUNK, (i + 1) * CHUNK),
  )

test('what is random, encrypted or compressed looks like noise', (t) => {
  t.true(chunksOf(noise(8 << 20)).every(looksLikeNoise))
  const text = noise(4 << 20, 1).toString('base64')
  t.true(chunksOf(deflateRawSync(text)).every(looksLikeNoise))
})

test('what zlib makes one per cent shorter never looks like noise', (t) => {
  const program = readFileSync(process.execPath).subarray(0, 64 << 20)
  const made = SAMPLE_KINDS.filter((kind) => kind !== 'noise').map((kind) => sample(kind, CHUNK))
  let like = 0
  for (const chunk of [...chunksOf(program), ...made])
    if (looksLikeNoise(chunk)) {
      like++
      t.true(deflateSync(chunk, { level: 1 }).length > 0.99 * CHUNK)
    }
  t.true(like < 100)
})

test('bytes that repeat by pages, numbers with random digits and half a chunk of noise do not', (t) => {
  const page = noise(4096)
  t.false(looksLikeNoise(Buffer.concat(Array(8).fill(page))))
  t.false(looksLikeNoise(Buffer.concat([noise(CHUNK / 2), noise(CHUNK / 2)])))
  const numbers = new Float64Array(CHUNK / 8).map(() => Math.random())
  t.false(looksLikeNoise(Buffer.from(numbers.buffer)))
  t.false(looksLikeNoise(sample('mixed', CHUNK)))
})

test('of a few bytes nothing is said', (t) => {
  t.false(looksLikeNoise(noise(4096)))
  t.false(looksLikeNoise(new Uint8Array(0)))
})
