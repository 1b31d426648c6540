import { execFileSync } from 'node:child_process'
import test from 'ava'
import fc from 'fast-check'
import { DIGESTS, digestOf, isDigestName, openDigests } from '../../src/codecs/digest.js'

const COREUTILS = {
  md5: 'md5sum',
  sha1: 'sha1sum',
  sha256: 'sha256sum',
  sha512: 'sha512sum',
  blake2b512: 'b2sum',
} as const

test('digests are those of coreutils, whatever the pieces', (t) => {
  const bytes = Buffer.from('evidence '.repeat(10_000))
  for (const name of DIGESTS) {
    const theirs = execFileSync(COREUTILS[name], { input: bytes, encoding: 'utf8' }).split(' ')[0]
    t.is(digestOf(name, bytes), theirs!)
  }
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const digests = openDigests(['sha256', 'md5', 'sha256'])
      let at = 0
      for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
        digests.update(bytes.subarray(at, cut))
        at = cut
      }
      const values = digests.values()
      return (
        values.get('sha256') === digestOf('sha256', bytes) &&
        values.get('md5') === digestOf('md5', bytes) &&
        [...values.keys()].join() === 'sha256,md5'
      )
    }),
    { numRuns: 50 },
  )
})

test('only known digests have a name', (t) => {
  for (const name of DIGESTS) t.true(isDigestName(name))
  for (const name of ['', 'SHA256', 'sha3-256', '__proto__']) t.false(isDigestName(name))
})
