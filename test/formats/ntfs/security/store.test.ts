import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import test from 'ava'
import { FormatError } from '../../../../src/formats/format-error.js'
import { type Finding, NtfsError } from '../../../../src/formats/ntfs/finding.js'
import {
  hashDescriptor,
  readSecurityEntry,
  type SecurityEntry,
  scanSecurityEntries,
} from '../../../../src/formats/ntfs/security/store.js'
import { bufferSource } from '../../buffer-source.js'

/** $Secure:$SDS of ntfs-lastaccess.raw, made by Windows 10, and its entries as another reader found them. */
const SDS = gunzipSync(readFileSync('test/data/ntfs/sds.gz'))
const TRUTH = readFileSync('test/data/ntfs/sds.tsv', 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t'))
const COPY = 0x40000

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const row = ({ id, offset, hash, descriptor }: SecurityEntry) => [
  String(id),
  String(offset),
  String(descriptor.length + 20),
  hash.toString(16).padStart(8, '0'),
  '1',
  sha256(descriptor),
]

async function scan(sds: Buffer) {
  const findings: Finding[] = []
  const rows: string[][] = []
  for await (const entry of scanSecurityEntries(bufferSource(sds), (finding) => findings.push(finding)))
    rows.push(row(entry))
  return { rows, findings }
}

const place = (id: number) => {
  const found = TRUTH.find((line) => line[0] === String(id))
  return Promise.resolve(found && { offset: BigInt(found[1]!), length: Number(found[2]) })
}

test('a scan finds every entry that another reader found', async (t) => {
  const { rows, findings } = await scan(SDS)
  t.deepEqual(rows, TRUTH)
  t.deepEqual(findings, [])
})

test('the hash of a descriptor is the one that ntfssecaudit computes', (t) => {
  t.is(hashDescriptor(SDS.subarray(1872 + 20, 1872 + 192)), 0x2cd915e3)
})

test('a security id is read where $SII says', async (t) => {
  const findings: Finding[] = []
  for (const line of TRUTH) {
    const entry = await readSecurityEntry(bufferSource(SDS), Number(line[0]), place, (f) => findings.push(f))
    t.deepEqual(row(entry!), line)
  }
  t.deepEqual(findings, [])
  t.is(await readSecurityEntry(bufferSource(SDS), 999, place, () => {}), undefined)
})

test('case 28: a damaged entry is read from its copy, and that is said', async (t) => {
  for (const [at, expected] of [
    [0, /hash/],
    [4, /has id/],
    [8, /offset/],
    [16, /length/],
    [50, /hash/],
  ] as const) {
    const damaged = Buffer.from(SDS)
    damaged[384 + at]! ^= 0x40
    const findings: Finding[] = []
    const entry = await readSecurityEntry(bufferSource(damaged), 259, place, (f) => findings.push(f))
    t.deepEqual(row(entry!), TRUTH[3])
    t.regex(findings[0]!.message, expected)
    if (at !== 4) t.deepEqual((await scan(damaged)).rows, TRUTH)
    else t.regex((await scan(damaged)).findings[0]!.message, /has another id/)
  }
})

test('case 28: an entry damaged in both copies costs itself alone', async (t) => {
  for (const at of [0, 16, 40]) {
    const damaged = Buffer.from(SDS)
    damaged[384 + at]! ^= 0x40
    damaged[384 + COPY + at]! ^= 0x40
    await t.throwsAsync(
      readSecurityEntry(bufferSource(damaged), 259, place, () => {}),
      { instanceOf: NtfsError },
    )
    const { rows, findings } = await scan(damaged)
    t.deepEqual(
      rows,
      TRUTH.filter((line) => line[0] !== '259'),
    )
    t.regex(findings[0]!.message, /no sound entry/)
  }
})

test('case 28: places outside $SDS and lengths that none can have are refused', async (t) => {
  for (const [offset, length] of [
    [1n << 62n, 100],
    [-16n, 100],
    [0n, 0],
    [0n, 19],
    [0n, 0x7fff_ffff],
  ] as const)
    await t.throwsAsync(
      readSecurityEntry(
        bufferSource(SDS),
        256,
        async () => ({ offset, length }),
        () => {},
      ),
      { instanceOf: NtfsError },
    )
})

test('clusters that cannot be read are made up for by the copy', async (t) => {
  const source = {
    ...bufferSource(SDS),
    async read(offset: bigint, length: number) {
      if (offset < 4096n) throw new FormatError('clusters are missing')
      return SDS.subarray(Number(offset), Number(offset) + length)
    },
  }
  const findings: Finding[] = []
  const entry = await readSecurityEntry(source, 259, place, (finding) => findings.push(finding))
  t.deepEqual(row(entry!), TRUTH[3])
  t.regex(findings[0]!.message, /from its copy: clusters are missing/)
  const rows: string[][] = []
  for await (const one of scanSecurityEntries(source, () => {})) rows.push(row(one))
  t.deepEqual(rows, TRUTH)
})

test('an empty $SDS, one cut off and one of junk are read to their end', async (t) => {
  t.deepEqual((await scan(Buffer.alloc(0))).rows, [])
  t.deepEqual((await scan(SDS.subarray(0, 500))).rows, TRUTH.slice(0, 3))
  t.deepEqual((await scan(Buffer.alloc(3 * COPY, 0x5a))).rows, [])
})
