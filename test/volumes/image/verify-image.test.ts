import { createHash } from 'node:crypto'
import test from 'ava'
import type { Finding } from '../../../src/formats/aff4/verify/finding.js'
import { FormatError } from '../../../src/formats/format-error.js'
import type { Image } from '../../../src/formats/image/image.js'
import { openRawImage } from '../../../src/formats/image/raw-image.js'
import { verifyImage } from '../../../src/volumes/image/verify-image.js'
import { bufferSource } from '../../formats/buffer-source.js'

const content = Buffer.alloc((3 << 20) + 512, 'evidence ')
const md5 = createHash('md5').update(content).digest('hex')
const plain: Image = { ...openRawImage(bufferSource(content)), unit: 0x1000, checks: ['CRC of each chunk'] }

async function findings(image: Image, expected = content.length): Promise<Omit<Finding, 'subject'>[]> {
  const found: Omit<Finding, 'subject'>[] = []
  let bytes = 0
  await verifyImage(
    image,
    'disk',
    async ({ subject: _, ...finding }) => void found.push(finding),
    (count) => {
      bytes += count
      return undefined
    },
  )
  if (bytes !== expected) throw new Error(`${bytes} bytes were told`)
  return found
}

test('checksums and digests are told, each once, and what speaks against the whole', async (t) => {
  const digests = [
    { algorithm: 'md5', value: md5, covers: 'linear' as const },
    { algorithm: 'sha1', value: '0'.repeat(40), covers: 'linear' as const },
    { algorithm: 'crc64', value: '0', covers: 'linear' as const },
  ]
  t.like(await findings({ ...plain, digests, verify: async () => [] }), [
    { outcome: 'matched', property: 'checksums', detail: 'CRC of each chunk: 3.0 MiB' },
    { outcome: 'matched', property: 'hash MD5' },
    { outcome: 'mismatched', property: 'hash SHA1' },
    { outcome: 'unchecked', property: 'hash CRC64', detail: 'the algorithm is not known' },
  ])
  t.deepEqual(await findings({ ...plain, verify: async () => ['the seal is broken'] }), [
    { outcome: 'mismatched', property: 'whole', detail: 'the seal is broken' },
  ])
})

test('what goes along with a memory is read, too', async (t) => {
  const source = {
    ...bufferSource(Buffer.alloc(0x2000)),
    read: async () => Promise.reject(new FormatError('torn')),
  }
  const companions = [{ name: 'pagefile.sys', category: 'memory:pagefile' as const, source }]
  t.deepEqual(await findings({ ...plain, companions }, content.length + 0x2000), [
    { outcome: 'mismatched', property: 'pagefile.sys', detail: '0x0-0x2000: torn' },
  ])
})

test('what is damaged is told by its addresses, at the unit of the image, and no digest is made of the rest', async (t) => {
  const bad = [0x3000n, 0x4000n, 0x180000n]
  const image: Image = {
    ...plain,
    digests: [{ algorithm: 'md5', value: md5, covers: 'linear' as const }],
    async read(address, length, into) {
      const hit = bad.find((at) => address < at + 0x1000n && at < address + BigInt(length))
      if (hit !== undefined) throw new FormatError('a chunk is damaged', hit)
      return plain.read(address, length, into)
    },
  }
  t.deepEqual(await findings(image), [
    { outcome: 'mismatched', property: 'content', detail: '0x3000-0x5000: a chunk is damaged (at 0x3000)' },
    {
      outcome: 'mismatched',
      property: 'content',
      detail: '0x180000-0x181000: a chunk is damaged (at 0x180000)',
    },
    { outcome: 'unchecked', property: 'hash MD5', detail: 'not all of the image was read' },
  ])
})

test('bytes that the system cannot read are no damage of the image', async (t) => {
  const failure = Object.assign(new Error('EIO: i/o error, read'), {
    code: 'EIO',
    errno: -5,
    syscall: 'read',
  })
  const read = async () => Promise.reject(failure)
  t.like(await findings({ ...plain, read }), [
    { outcome: 'unchecked', property: 'content', detail: '0x0-0x300200: input/output error' },
  ])
})

test('a digest counts holes as what they read as, and is not judged where not all that it covers is there', async (t) => {
  const size = BigInt(content.length + 0x1000)
  const hole = { start: BigInt(content.length), length: 0x1000n, content: 'unreadable' } as const
  const digests = [{ algorithm: 'md5', value: md5, covers: 'linear' as const }]
  const outcomeOf = async (image: Image) => (await findings(image)).at(-1)!.outcome
  const holey = { ...plain, size, holes: [hole], digests }
  t.is(await outcomeOf(holey), 'mismatched')
  t.is(await outcomeOf({ ...holey, incomplete: 'its end is missing' }), 'unchecked')
})
