import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { NtfsError } from '../../../../src/formats/ntfs/finding.js'
import { decodeSecurityDescriptor } from '../../../../src/formats/ntfs/security/descriptor.js'
import { formatSddl } from '../../../../src/formats/ntfs/security/sddl.js'
import { decodeSid } from '../../../../src/formats/ntfs/security/sid.js'

const SDS = gunzipSync(readFileSync('test/data/ntfs/sds.gz'))
/** By offset and length in $SDS. */
const descriptor = (offset: number, length: number) => SDS.subarray(offset + 20, offset + length)
const sddl = (bytes: Buffer) => formatSddl(decodeSecurityDescriptor(bytes))

const USER = 'S-1-5-21-2341207468-2645333676-3461800803-1001'
const GROUP = 'S-1-5-21-2341207468-2645333676-3461800803-513'

test('descriptors of Windows 10 as SDDL', (t) => {
  t.is(sddl(descriptor(736, 96)), 'O:BAG:SYD:P(A;OICI;FA;;;SY)')
  t.is(
    sddl(descriptor(928, 280)),
    `O:${USER}G:${GROUP}D:(A;;FA;;;BA)(A;OICIIO;GA;;;BA)(A;;FA;;;SY)(A;OICIIO;GA;;;SY)(A;;0x1301bf;;;AU)` +
      '(A;OICIIO;SDGXGWGR;;;AU)(A;;0x1200a9;;;BU)(A;OICIIO;GXGR;;;BU)',
  )
  t.is(
    sddl(descriptor(1216, 200)),
    `O:${USER}G:${GROUP}D:P(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;NP;0x1201ad;;;BU)S:AI(ML;OICIIO;NW;;;LW)`,
  )
})

const encodeSid = (authority: number, subs: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(8 + 4 * subs.length)
  bytes[0] = 1
  bytes[1] = subs.length
  bytes.writeUIntBE(authority, 2, 6)
  for (const [index, sub] of subs.entries()) bytes.writeUInt32LE(sub, 8 + 4 * index)
  return bytes
}

test('any SID reads back as it was written', (t) => {
  const sub = fc.nat(0xffff_ffff)
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.array(sub, { maxLength: 15 }), fc.nat(9), (authority, subs, at) => {
      const bytes = Buffer.concat([Buffer.alloc(at, 0xff), encodeSid(authority, subs)])
      t.deepEqual(decodeSid(bytes, at, bytes.length), {
        sid: ['S-1', authority, ...subs].join('-'),
        length: bytes.length - at,
      })
      t.is(decodeSid(bytes, at, bytes.length - 1), undefined)
    }),
    { numRuns: 200 },
  )
})

test('an authority beyond 32 bits is hexadecimal, and sixteen sub-authorities are too many', (t) => {
  const wide = encodeSid(0x1234_5678_9abc, [1])
  t.is(decodeSid(wide, 0, wide.length)?.sid, 'S-1-0x123456789abc-1')
  const sixteen = encodeSid(5, new Array(16).fill(1))
  t.is(decodeSid(sixteen, 0, sixteen.length), undefined)
})

const SYSTEM = encodeSid(5, [18])

const ace = (type: number, flags: number, mask: number, ...rest: Buffer[]): Buffer => {
  const body = Buffer.concat(rest)
  const header = Buffer.alloc(8)
  header[0] = type
  header[1] = flags
  header.writeUInt16LE(8 + body.length, 2)
  header.writeUInt32LE(mask, 4)
  return Buffer.concat([header, body])
}

/** A descriptor with nothing but a DACL. */
const withDacl = (...aces: Buffer[]): Buffer => {
  const bytes = Buffer.alloc(28)
  bytes[0] = 1
  bytes.writeUInt16LE(0x8004, 2)
  bytes.writeUInt32LE(20, 16)
  const body = Buffer.concat(aces)
  bytes[20] = 2
  bytes.writeUInt16LE(8 + body.length, 22)
  bytes.writeUInt16LE(aces.length, 24)
  return Buffer.concat([bytes, body])
}

const flagsWord = (value: number) => Buffer.from(Uint32Array.of(value).buffer)

test('object and callback forms keep their GUIDs and conditions', (t) => {
  const guid = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
  const text = '33221100-5544-7766-8899-aabbccddeeff'
  t.is(
    sddl(
      withDacl(
        ace(5, 0x12, 0x1f01ff, flagsWord(1), guid, SYSTEM),
        ace(6, 0, 0x20000, flagsWord(2), guid, SYSTEM),
        ace(5, 0, 0x20000, flagsWord(3), guid, guid, SYSTEM),
        ace(9, 0, 0x120089, SYSTEM, Buffer.from('artx')),
        ace(0x77, 0x20, 0x123, SYSTEM),
      ),
    ),
    `D:(OA;CIID;FA;${text};;SY)(OD;;RC;;${text};SY)(OA;;RC;${text};${text};SY)(XA;;FR;;;SY;61727478)` +
      '(0x77;0x20;0x123;;;SY)',
  )
})

test('no DACL, a null DACL and an empty one are three things', (t) => {
  const bytes = withDacl()
  t.is(sddl(bytes), 'D:')
  bytes.writeUInt32LE(0, 16)
  t.is(sddl(bytes), 'D:NO_ACCESS_CONTROL')
  bytes.writeUInt16LE(0x8000, 2)
  t.is(sddl(bytes), '')
})

test('case 28: an entry of no length ends its ACL, and entries before it stay', (t) => {
  const bytes = withDacl(ace(0, 0, 1, SYSTEM), ace(0, 0, 2, SYSTEM))
  bytes.writeUInt16LE(0, 28 + 20 + 2)
  const decoded = decodeSecurityDescriptor(bytes)
  t.is(decoded.dacl?.entries.length, 1)
  t.deepEqual(decoded.complaints, ['DACL: entry 1 of 2 does not fit into the ACL'])
})

test('case 28: offsets outside and counts beyond an ACL', (t) => {
  const bytes = withDacl(ace(0, 0, 1, SYSTEM))
  bytes.writeUInt16LE(0xffff, 24)
  bytes.writeUInt16LE(0xffff, 22)
  t.is(decodeSecurityDescriptor(bytes).dacl?.entries.length, 1)
  bytes.writeUInt32LE(0xffff_fff0, 16)
  bytes.writeUInt32LE(0xffff_fff0, 4)
  t.deepEqual(decodeSecurityDescriptor(bytes).complaints, [
    'the owner is no SID',
    'the DACL lies past the end',
  ])
  t.throws(() => decodeSecurityDescriptor(bytes.subarray(0, 19)), { instanceOf: NtfsError })
  t.throws(() => decodeSecurityDescriptor(Buffer.alloc(20)), { instanceOf: NtfsError })
})

test('mutated descriptors of Windows: an answer or an NtfsError', (t) => {
  const real = [descriptor(928, 280), descriptor(1216, 200), descriptor(1424, 212)]
  fc.assert(
    fc.property(
      fc.constantFrom(...real),
      fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 8 }),
      fc.nat(300),
      (bytes, changes, length) => {
        const mutated = Buffer.from(bytes)
        for (const [at, byte] of changes) mutated[at % mutated.length] = byte
        try {
          formatSddl(decodeSecurityDescriptor(mutated.subarray(0, length)))
        } catch (error) {
          if (!(error instanceof NtfsError)) throw error
        }
      },
    ),
    { numRuns: 3000 },
  )
  t.pass()
})
