import test from 'ava'
import fc from 'fast-check'
import { digestIn } from '../../../src/formats/image/sidecar.js'

const MD5 = '0123456789abcdef0123456789abcdef'

test('digests of the file itself are found in what tools write', (t) => {
  for (const text of [
    MD5,
    `${MD5}\n`,
    `${MD5.toUpperCase()}\r\n`,
    `${MD5}  disk.raw\n`,
    `${MD5} *disk.raw\n`,
    `${MD5}  /evidence/disk.raw\n`,
    `${MD5}  C:\\evidence\\disk.raw\n`,
    `${'f'.repeat(32)}  other.raw\n${MD5}  disk.raw\n`,
  ])
    t.is(digestIn(text, 'disk.raw', 32), MD5, text)
})

test('other digests, other files and other texts are none', (t) => {
  for (const text of [
    '',
    'disk.raw',
    `${MD5}  other.raw`,
    `${MD5}0`,
    MD5.slice(1),
    `x${MD5}`,
    `${MD5}disk.raw`,
  ])
    t.is(digestIn(text, 'disk.raw', 32), undefined, text)
  fc.assert(fc.property(fc.string(), (text) => digestIn(text, 'disk.raw', 32) === undefined))
})
