import test from 'ava'
import fc from 'fast-check'
import {
  decodeEaInformation,
  decodeExtendedAttributes,
  linuxMetadata,
} from '../../../src/formats/ntfs/extended-attributes.js'
import { fileFlagNames } from '../../../src/formats/ntfs/file-flags.js'
import { formatFiletime } from '../../../src/formats/ntfs/filetime.js'
import { type Finding, NtfsError } from '../../../src/formats/ntfs/finding.js'
import { decodeInterixLink } from '../../../src/formats/ntfs/interix-link.js'
import { decodeObjectId } from '../../../src/formats/ntfs/object-id.js'
import { decodeReparsePoint } from '../../../src/formats/ntfs/reparse-point.js'
import { decodeStandardInformation, isCaseSensitive } from '../../../src/formats/ntfs/standard-information.js'
import { decodeVolumeInformation, volumeFlagNames } from '../../../src/formats/ntfs/volume-information.js'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** /test/1.txt of ntfs-lastaccess.raw, made by Windows 10. */
const STANDARD_INFORMATION = hex(
  '74653588bdd1d401 e901998ebdd1d401 e901998ebdd1d401 2223d4ecbdd1d401 20000000 00000000 00000000 00000000' +
    '00000000 0c010000 0000000000000000 0000000000000000',
)

test('the times of a Windows file are those that istat shows, to the last tick', (t) => {
  const { times, flags, securityId } = decodeStandardInformation(STANDARD_INFORMATION)
  t.deepEqual(times, {
    created: 131960901064811892n,
    modified: 131960901172003305n,
    changed: 131960901172003305n,
    accessed: 131960902752936738n,
  })
  t.is(formatFiletime(times.accessed), '2019-03-03T12:37:55.2936738Z')
  t.deepEqual(fileFlagNames(flags), ['archive'])
  t.is(securityId, 268)
})

test('what a short $STANDARD_INFORMATION has no room for is absent, not zero', (t) => {
  const ofNtfs1 = decodeStandardInformation(STANDARD_INFORMATION.subarray(0, 48))
  t.deepEqual(Object.keys(ofNtfs1).slice(-3), ['maximumVersions', 'version', 'classId'])
  t.false('securityId' in ofNtfs1)
  t.throws(() => decodeStandardInformation(STANDARD_INFORMATION.subarray(0, 35)), { instanceOf: NtfsError })
})

test('a directory in which case counts is told by its version field', (t) => {
  const value = Buffer.from(STANDARD_INFORMATION)
  t.false(isCaseSensitive(decodeStandardInformation(value)))
  value.writeUInt32LE(1, 40)
  t.true(isCaseSensitive(decodeStandardInformation(value)))
})

test('every bit of the file attributes is named or shown', (t) => {
  t.deepEqual(fileFlagNames(0x8020_0006), ['hidden', 'system', '0x200000', '0x80000000'])
  t.deepEqual(fileFlagNames(0x1000_0400), ['reparse-point', 'has-file-name-index'])
})

test('an object id tells when and on which machine it was given', (t) => {
  const decoded = decodeObjectId(hex('b1ef0363b03de911bd43525400123456'))
  t.is(decoded.id, '6303efb1-3db0-11e9-bd43-525400123456')
  t.is(decoded.origin?.mac, '52:54:00:12:34:56')
  // Python: datetime(1582, 10, 15) + timedelta(microseconds=uuid.UUID('6303efb1-…').time / 10)
  t.is(formatFiletime(decoded.origin!.time), '2019-03-03T12:32:19.6251569Z')
  t.false('birthVolumeId' in decoded)
})

test('a random object id has no origin, and a short one is refused', (t) => {
  t.false('origin' in decodeObjectId(hex('0123456789ab404080aabbccddeeff00')))
  t.throws(() => decodeObjectId(Buffer.alloc(15)), { instanceOf: NtfsError })
  const four = decodeObjectId(Buffer.alloc(64, 0x11))
  t.is(four.domainId, '11111111-1111-1111-1111-111111111111')
})

test('the version and flags of a volume', (t) => {
  const value = hex('000000000000000003018140')
  const { major, minor, flags } = decodeVolumeInformation(value)
  t.deepEqual([major, minor], [3, 1])
  t.deepEqual(volumeFlagNames(flags), ['dirty', '0x80', 'chkdsk-underway'])
  t.throws(() => decodeVolumeInformation(value.subarray(0, 11)), { instanceOf: NtfsError })
})

const JUNCTION = hex(
  '030000a05c00000000002c002e0024005c003f003f005c0043003a005c006c0069006e006b0073005c0074006100720067006500' +
    '7400640069007200000043003a005c006c0069006e006b0073005c007400610072006700650074006400690072000000',
)
const SYMLINK = hex(
  '0c0000a0340000000000140014001400010000007400610072006700650074002e007400780074007400610072006700650074002e00' +
    '740078007400',
)

test('a junction keeps its target as it is, and what people are shown', (t) => {
  const point = decodeReparsePoint(JUNCTION)
  t.like(point, { name: 'mount-point', isNameSurrogate: true, target: '\\??\\C:\\links\\targetdir' })
  t.is(point.shown, 'C:\\links\\targetdir')
  t.false('complaint' in point)
})

test('a symlink says whether it is relative', (t) => {
  t.like(decodeReparsePoint(SYMLINK), {
    name: 'symlink',
    target: 'target.txt',
    shown: 'target.txt',
    relative: true,
  })
})

const reparse = (tag: number, data: Buffer): Buffer => {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(tag, 0)
  header.writeUInt16LE(data.length, 4)
  return Buffer.concat([header, data])
}

test('tags of the field are named, with what their data tell', (t) => {
  const execLink = Buffer.concat([
    hex('03000000'),
    Buffer.from('Pkg_1\0Pkg_1!App\0C:\\App.exe\x000\0', 'utf16le'),
  ])
  t.like(decodeReparsePoint(reparse(0x8000001b, execLink)), {
    name: 'app-exec-link',
    target: 'C:\\App.exe',
    strings: ['Pkg_1', 'Pkg_1!App', 'C:\\App.exe', '0'],
  })
  const wsl = Buffer.concat([hex('02000000'), Buffer.from('../ü')])
  t.like(decodeReparsePoint(reparse(0xa000001d, wsl)), { name: 'wsl-symlink', target: '../ü' })
  for (const tag of [0x9000001a, 0x9000401a, 0x9000f01a])
    t.is(decodeReparsePoint(reparse(tag, Buffer.alloc(4))).name, 'cloud')
  t.is(decodeReparsePoint(reparse(0x80000017, Buffer.alloc(16))).name, 'wof')
  t.is(decodeReparsePoint(reparse(0x80000013, Buffer.alloc(16))).name, 'dedup')
  t.is(decodeReparsePoint(reparse(0x80001234, Buffer.alloc(0))).name, '0x80001234')
})

test('a tag of another maker bears his GUID before its data', (t) => {
  const value = Buffer.concat([
    reparse(0x1234, Buffer.from('mine')).subarray(0, 8),
    Buffer.alloc(16, 7),
    Buffer.from('mine'),
  ])
  t.like(decodeReparsePoint(value), { guid: '07070707-0707-0707-0707-070707070707' })
  t.is(String(decodeReparsePoint(value).data), 'mine')
  t.regex(decodeReparsePoint(value.subarray(0, 20)).complaint!, /GUID/)
})

test('case 27: lengths and offsets outside the buffer leave the tag and a complaint', (t) => {
  const outside = Buffer.from(SYMLINK)
  outside.writeUInt16LE(0xfff0, 8)
  t.like(decodeReparsePoint(outside), { name: 'symlink', complaint: 'its names lie past its end' })
  t.regex(decodeReparsePoint(SYMLINK.subarray(0, 20)).complaint!, /where its header says 52/)
  t.throws(() => decodeReparsePoint(SYMLINK.subarray(0, 7)), { instanceOf: NtfsError })
})

test('a link of Interix is a file of its signature and a target', (t) => {
  const link = Buffer.concat([Buffer.from('IntxLNK\x01'), Buffer.from('/usr/bin', 'utf16le')])
  t.is(decodeInterixLink(link), '/usr/bin')
  t.is(decodeInterixLink(Buffer.from('IntxLNK')), undefined)
})

/** $EA and $EA_INFORMATION as ntfs-3g wrote them. */
const EA = hex('1c00000000070a00504d454d2e454100303132333435363738390000')

const encodeEas = (entries: { name: string; value: Uint8Array; needed: boolean }[]): Buffer =>
  Buffer.concat(
    entries.map(({ name, value, needed }, index) => {
      const size = Math.ceil((9 + name.length + value.length) / 4) * 4
      const entry = Buffer.alloc(size)
      entry.writeUInt32LE(index === entries.length - 1 ? 0 : size, 0)
      entry[4] = needed ? 0x80 : 0
      entry[5] = name.length
      entry.writeUInt16LE(value.length, 6)
      entry.write(name, 8, 'latin1')
      entry.set(value, 9 + name.length)
      return entry
    }),
  )

const collect = () => {
  const findings: Finding[] = []
  return { findings, report: (finding: Finding) => void findings.push(finding) }
}

test('extended attributes that ntfs-3g wrote', (t) => {
  const { findings, report } = collect()
  t.deepEqual(decodeExtendedAttributes(EA, report), [
    { name: 'PMEM.EA', needed: false, value: Buffer.from('0123456789') },
  ])
  t.deepEqual(findings, [])
  t.deepEqual(decodeEaInformation(hex('160000001c000000')), {
    packedSize: 22,
    neededCount: 0,
    unpackedSize: 28,
  })
})

test('any list of extended attributes reads back as it was written', (t) => {
  const entry = fc.record({
    name: fc.string({ minLength: 1, maxLength: 255, unit: 'binary-ascii' }),
    value: fc.uint8Array({ maxLength: 300 }),
    needed: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 10 }), (entries) => {
      const { findings, report } = collect()
      const decoded = decodeExtendedAttributes(encodeEas(entries), report)
      t.deepEqual(
        decoded,
        entries.map(({ name, value, needed }) => ({ name, needed, value: Buffer.from(value) })),
      )
      t.deepEqual(findings, [])
    }),
    { numRuns: 100 },
  )
})

test('what WSL keeps of a file in extended attributes', (t) => {
  const word = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer)
  const attributes = [
    { name: '$LXUID', value: word(1000), needed: false },
    { name: '$LXGID', value: word(0), needed: false },
    { name: '$LXMOD', value: word(0o60644), needed: false },
    { name: '$LXDEV', value: word(8, 1), needed: false },
  ]
  const decoded = decodeExtendedAttributes(encodeEas(attributes), () => {})
  t.deepEqual(linuxMetadata(decoded), { uid: 1000, gid: 0, mode: 0o60644, device: { major: 8, minor: 1 } })
  t.deepEqual(linuxMetadata([{ name: '$LXUID', needed: false, value: Buffer.alloc(3) }]), {})
})

test('case 31: a chain that goes nowhere or past the end stops, and says so', (t) => {
  for (const next of [2, 4, 26, 0x7fff_ffff, 0xffff_fffd]) {
    const value = Buffer.concat([EA, EA])
    value.writeUInt32LE(next, 0)
    const { findings, report } = collect()
    t.true(decodeExtendedAttributes(value, report).length <= 1)
    t.is(findings.length, 1, String(next))
  }
})

test('any bytes at all: an answer or an NtfsError', (t) => {
  const decoders = [
    decodeStandardInformation,
    decodeObjectId,
    decodeVolumeInformation,
    decodeReparsePoint,
    decodeEaInformation,
    decodeInterixLink,
    (value: Buffer) => decodeExtendedAttributes(value, () => {}),
  ]
  const real = [STANDARD_INFORMATION, JUNCTION, SYMLINK, EA]
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc
          .tuple(fc.constantFrom(...real), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(120))
          .map(([bytes, at, byte, length]) => {
            const mutated = Buffer.from(bytes)
            mutated[at % mutated.length] = byte
            return mutated.subarray(0, length)
          }),
      ),
      (value) => {
        for (const decode of decoders)
          try {
            decode(value)
          } catch (error) {
            if (!(error instanceof NtfsError)) throw error
          }
      },
    ),
    { numRuns: 1000 },
  )
  t.pass()
})
