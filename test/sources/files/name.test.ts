import test from 'ava'
import fc from 'fast-check'
import { codePoints, displayPath, streamName } from '../../../src/sources/files/name.js'

for (const [path, name] of [
  ['/etc/passwd', '/etc/passwd'],
  ['etc/passwd', 'etc/passwd'],
  ['./src/a file.txt', 'src/a file.txt'],
  ['/src//sub///x', '/src/sub/x'],
  ['/src/./x/', '/src/x'],
  ['../../x', 'x'],
  ['a/../b', 'b'],
  ['/../etc', '/etc'],
  ['/src/ネコ.txt', '/src/ネコ.txt'],
  ['a%41"<\n', 'a%41"<\n'],
  ['.', '.'],
  ['/', '/'],
  ['..', '.'],
  ['...', '...'],
] as const)
  test(`the stream of ${JSON.stringify(path)} is called ${JSON.stringify(name)}`, (t) => {
    t.deepEqual(streamName(Buffer.from(path)), { name })
  })

test('a path that is not UTF-8 shows its stray bytes and carries all of them', (t) => {
  const path = Buffer.from('./caf\xe9/\xf0\x9f/n\xc3\xa9e', 'latin1')
  t.deepEqual(streamName(path), {
    name: 'caf%E9/%F0%9F/née',
    nameBytes: Buffer.from('caf\xe9/\xf0\x9f/n\xc3\xa9e', 'latin1').toString('base64'),
  })
})

test('an encoded surrogate is three stray bytes, not a character', (t) => {
  t.is(displayPath(Buffer.from('\xed\xa0\x80', 'latin1')), '%ED%A0%80')
})

test('no name leads out, none is empty, and its bytes are what it shows', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ min: 1, maxLength: 60 }), (random) => {
      const path = Buffer.from(random.map((byte) => (byte % 7 === 0 ? 0x2f : byte % 5 === 0 ? 0x2e : byte)))
      const { name, nameBytes } = streamName(path)
      t.not(name, '')
      t.notRegex(name, /\p{Surrogate}/u)
      t.false(`/${name}/`.includes('/../'))
      const bytes = nameBytes === undefined ? Buffer.from(name) : Buffer.from(nameBytes, 'base64')
      t.is(displayPath(bytes), name)
      t.deepEqual(streamName(bytes), { name, ...(nameBytes !== undefined && { nameBytes }) })
    }),
  )
})

test('two names have the same characters only where they are the same bytes', (t) => {
  const bytes = fc.uint8Array({ maxLength: 8 })
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      t.is(codePoints(a).join() === codePoints(b).join(), Buffer.compare(a, b) === 0)
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.deepEqual(
        codePoints(Buffer.from(text)),
        Array.from(text, (character) => character.codePointAt(0)!),
      )
    }),
  )
})
