import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test from 'ava'
import {
  type CertificateBag,
  describeKeyBag,
  freshKey,
  readKeyBags,
  unwrapByKey,
  unwrapByPassword,
  wrapForCertificate,
  wrapForPassword,
} from '../../../../src/formats/aff4/encryption/key-bag.js'
import { decryptOaep, encryptOaep } from '../../../../src/formats/aff4/encryption/oaep.js'
import { KEY_SIZE } from '../../../../src/formats/aff4/encryption/xts.js'
import { addTurtle, createGraph, formatTurtle } from '../../../../src/formats/aff4/turtle.js'

const STREAM = 'aff4://33333333-3333-4333-8333-333333333333'
const BAG = 'aff4://44444444-4444-4444-8444-444444444444'
const FEW = 10

const certificate = new X509Certificate(readFileSync('test/data/aff4/encrypted.crt'))
const privateKey = createPrivateKey(readFileSync('test/data/aff4/encrypted.key'))

const PUBLISHED = {
  type: 'PasswordWrappedKeyBag',
  iterations: '147256',
  keySizeInBytes: '32',
  salt: '"a1d8a5a9d81b3a9010ab4e60ee1b3b83"^^xsd:hexBinary',
  wrappedKey:
    '"334f04929581baa280c53a8666826796114f34c625162fc0c1721d83e337b720debb3bdcdacb4fea"^^xsd:hexBinary',
}

/** What is read of a bag that says this instead of what the published one says. */
function read(change: Partial<typeof PUBLISHED>, ...more: string[]) {
  const { type, ...facts } = { ...PUBLISHED, ...change }
  const lines = Object.entries(facts).map(([term, value]) => `aff4:${term} ${value} ;`)
  const graph = createGraph()
  addTurtle(
    graph,
    `@prefix aff4: <http://aff4.org/Schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
    <${STREAM}> a aff4:EncryptedStream ; aff4:keyBag <${BAG}> .
    <${BAG}> ${lines.join('\n')} a aff4:${type} . ${more.join('\n')}`,
    STREAM,
  )
  return readKeyBags(graph, STREAM)
}

test('the bag of the published sample opens with its password, and with no other', async (t) => {
  const [bag] = read({}).bags
  if (bag?.kind !== 'password') return t.fail()
  const key = await unwrapByPassword(bag, Buffer.from('password'))
  t.is(key?.toString('hex'), 'ef4e0f359872d072833a88ce8a1ccdba1eecdb6e8c8837ebb049087d762cff53')
  t.is(await unwrapByPassword(bag, Buffer.from('Password')), undefined)
  t.is(await unwrapByPassword(bag, Buffer.alloc(0)), undefined)
})

test('what was described is read again, of both kinds', async (t) => {
  const key = freshKey()
  const written = createGraph()
  const password = await wrapForPassword(key, Buffer.from('pässword'), FEW)
  describeKeyBag(written, STREAM, password)
  describeKeyBag(written, STREAM, wrapForCertificate(key, certificate))
  const graph = createGraph()
  addTurtle(graph, formatTurtle(written.statements, STREAM), STREAM)
  const { bags, problems } = readKeyBags(graph, STREAM)
  t.deepEqual(problems, [])
  t.deepEqual(
    bags.map(({ kind }) => kind),
    ['password', 'certificate'],
  )
  for (const bag of bags) {
    const opened =
      bag.kind === 'password'
        ? await unwrapByPassword(bag, Buffer.from('pässword'))
        : unwrapByKey(bag, privateKey)
    t.deepEqual(opened, key)
  }
  const { subject, serial } = bags[1] as CertificateBag
  t.is(subject, 'CN=Evidence room,O=Laboratory\\, first,C=XX')
  t.is(serial, String(0x83a1f00d83a1f00d83a1f00d83a1f00dn))
})

test('no two bags are the same, though key and password are', async (t) => {
  const key = freshKey()
  const bags = await Promise.all([1, 2].map(() => wrapForPassword(key, Buffer.from('password'), FEW)))
  t.notDeepEqual(bags[0]!.salt, bags[1]!.salt)
  t.notDeepEqual(bags[0]!.wrappedKey, bags[1]!.wrappedKey)
  t.notDeepEqual(encryptOaep(certificate.publicKey, key), encryptOaep(certificate.publicKey, key))
})

test('keys differ in their halves, and from one another', (t) => {
  const keys = Array.from({ length: 50 }, () => freshKey())
  for (const key of keys) t.false(key.subarray(0, 16).equals(key.subarray(16)))
  t.is(new Set(keys.map((key) => key.toString('hex'))).size, keys.length)
})

const OAEP = `
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
key = serialization.load_pem_private_key(open(sys.argv[1], 'rb').read(), None)
oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA256(), label=None)
print(key.decrypt(bytes.fromhex(sys.argv[2]), oaep).hex())
print(key.public_key().encrypt(bytes.fromhex(sys.argv[3]), oaep).hex())
`

test('Python opens what is encrypted for a certificate, and the other way round', (t) => {
  const [ours, theirs] = [freshKey(), freshKey()]
  const words = [encryptOaep(certificate.publicKey, ours).toString('hex'), theirs.toString('hex')]
  const printed = execFileSync('/usr/bin/python3', ['-c', OAEP, 'test/data/aff4/encrypted.key', ...words], {
    encoding: 'utf8',
  })
  const [opened, encrypted] = printed.trim().split('\n')
  t.is(opened, ours.toString('hex'))
  t.deepEqual(decryptOaep(privateKey, Buffer.from(encrypted!, 'hex')), theirs)
})

test('what was encrypted for another key, or changed, does not open', (t) => {
  const encrypted = encryptOaep(certificate.publicKey, freshKey())
  for (const at of [0, 1, 100, encrypted.length - 1]) {
    const changed = Buffer.from(encrypted)
    changed[at]! ^= 1
    t.is(decryptOaep(privateKey, changed), undefined)
  }
  t.is(decryptOaep(privateKey, encrypted.subarray(1)), undefined)
  t.is(decryptOaep(privateKey, Buffer.alloc(256, 0xff)), undefined)
  t.is(decryptOaep(privateKey, Buffer.alloc(256)), undefined)
})

test('a message of any length that fits comes back, a longer one is refused', (t) => {
  const key = createPublicKey(privateKey)
  const most = 256 - 2 * 32 - 2
  for (const length of [0, 1, KEY_SIZE, most]) {
    const message = Buffer.alloc(length, 1)
    t.deepEqual(decryptOaep(privateKey, encryptOaep(key, message)), message)
  }
  t.throws(() => encryptOaep(key, Buffer.alloc(most + 1)), { instanceOf: RangeError })
})

const hex = (bytes: number) => `"${'ab'.repeat(bytes)}"^^xsd:hexBinary`
const DAMAGED: [string, Parameters<typeof read>[0], RegExp][] = [
  ['of 2^40 iterations', { iterations: String(2 ** 40) }, /1099511627776 iterations/],
  ['of no iterations', { iterations: '0' }, /0 iterations/],
  ['of negative iterations', { iterations: '-5' }, /iterations/],
  ['with a word for iterations', { iterations: '"many"' }, /iterations/],
  ['with half a byte of salt', { salt: '"a1d"^^xsd:hexBinary' }, /salt/],
  ['with a salt that is none', { salt: '"salt"' }, /salt/],
  ['without salt', { salt: '""' }, /salt/],
  ['with a salt of a megabyte', { salt: hex(1 << 20) }, /salt/],
  ['with half a byte of wrapped key', { wrappedKey: '"334"^^xsd:hexBinary' }, /wrapped key/],
  ['with a wrapped key of 39 bytes', { wrappedKey: hex(39) }, /39 bytes/],
  ['with a wrapped key of 48 bytes', { wrappedKey: hex(48) }, /48 bytes/],
  ['with a wrapped key of a megabyte', { wrappedKey: hex(1 << 20) }, /wrapped key/],
  ['for a key of 16 bytes', { keySizeInBytes: '16' }, /not 32 bytes/],
  ['for a key of 2^70 bytes', { keySizeInBytes: String(2n ** 70n) }, /bytes/],
  ['of an unknown type', { type: 'KeyBag' }, /KeyBag/],
]

for (const [what, change, why] of DAMAGED)
  test(`a bag ${what} is not used, and it is said why`, (t) => {
    const { bags, problems } = read(change)
    t.deepEqual(bags, [])
    t.is(problems.length, 1)
    t.regex(problems[0]!, why)
    t.true(problems[0]!.includes(BAG))
  })

test('a damaged bag does not keep another one closed', (t) => {
  const other = `<${STREAM}> aff4:keyBag <${BAG}5> , <${BAG}6> .
    <${BAG}5> a aff4:PublicKeyEncryptedKeyBag ; aff4:keySizeInBytes 32 ; aff4:wrappedKey ${hex(256)} .`
  const { bags, problems } = read({ iterations: '0' }, other)
  t.deepEqual(
    bags.map(({ kind }) => kind),
    ['certificate'],
  )
  t.is(problems.length, 2)
})

test('bags whose iterations are too many together are left closed', (t) => {
  const others = Array.from(
    { length: 9 },
    (_, index) => `<${STREAM}> aff4:keyBag <${BAG}${index}> .
    <${BAG}${index}> a aff4:PasswordWrappedKeyBag ; aff4:keySizeInBytes 32 ; aff4:iterations 20000000 ;
      aff4:salt ${hex(16)} ; aff4:wrappedKey ${hex(40)} .`,
  )
  const { bags, problems } = read({}, ...others)
  t.is(bags.length, 5)
  t.is(problems.length, 5)
})

test('of thousands of bags some are looked at', (t) => {
  const others = Array.from({ length: 5000 }, (_, index) => `<${STREAM}> aff4:keyBag <${BAG}${index}> .`)
  const { bags, problems } = read({}, ...others)
  t.is(bags.length, 1)
  t.true(problems.length <= 1001)
})
