import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { formatFiletime } from '../../../src/formats/ntfs/filetime.js'
import { type Finding, NtfsError } from '../../../src/formats/ntfs/finding.js'
import { operationName } from '../../../src/formats/ntfs/log-file/operations.js'
import { openLogFile } from '../../../src/formats/ntfs/log-file/read.js'
import type { LogRecord } from '../../../src/formats/ntfs/log-file/record.js'
import { embeddedFileName, targetRecord, updatedTimes } from '../../../src/formats/ntfs/log-file/target.js'
import { bufferSource } from '../buffer-source.js'

const PAGE = 4096
/** $LogFile of ntfs-lastaccess.raw, made by Windows 10, and its update records as another reader found them. */
const LOG = gunzipSync(readFileSync('test/data/ntfs/logfile.gz'))
const TRUTH = gunzipSync(readFileSync('test/data/ntfs/logfile.tsv.gz')).toString().trim().split('\n').slice(1)

async function read(bytes: Buffer) {
  const findings: Finding[] = []
  const records: LogRecord[] = []
  const log = await openLogFile(bufferSource(bytes), (finding) => findings.push(finding))
  for await (const batch of log.records()) records.push(...batch)
  return { restart: log.restart, records, findings }
}

const rows = (records: readonly LogRecord[]) =>
  records.flatMap(({ lsn, transaction, update }) =>
    update
      ? [
          [
            lsn,
            transaction,
            update.redo,
            update.undo,
            update.targetAttribute,
            update.targetVcn,
            update.clusterBlock,
            update.recordOffset,
            update.attributeOffset,
          ].join('\t'),
        ]
      : [],
  )

test('every update record that another reader found, in the order of LSNs', async (t) => {
  const { restart, records, findings } = await read(LOG)
  t.deepEqual(rows(records), TRUTH)
  t.is(records.length - TRUTH.length, 9)
  t.like(restart, { major: 1, minor: 1, clean: true, pageSize: PAGE, offsetBits: 19, currentLsn: 1080813n })
  t.deepEqual(findings, [])
  t.false(records.some(({ cutOff }) => cutOff))
})

test('updates tell their record of the MFT and the name that they bring along', async (t) => {
  const { records } = await read(LOG)
  const told = (lsn: bigint) => {
    const update = records.find((record) => record.lsn === lsn)!.update!
    return [operationName(update.redo), targetRecord(update, 4096, 1024), embeddedFileName(update)?.name]
  }
  t.deepEqual(told(1067408n), ['initialize-file-record-segment', 24, '$Quota'])
  t.deepEqual(told(1066961n), ['create-attribute', 11, '$Extend'])
  t.deepEqual(told(1067385n), ['add-index-entry-root', 11, '$Quota'])
  t.deepEqual(told(1069234n), ['delete-index-entry-allocation', undefined, '$Quota'])
  const rename = records.find(({ lsn }) => lsn === 1066922n)!.update!
  t.is(formatFiletime(updatedTimes(rename)!.accessed), '2019-03-03T12:34:52.9812179Z')
  t.is(operationName(0x99), '0x99')
})

test('a page that never reached its place is taken from its tail copy', async (t) => {
  const lost = Buffer.from(LOG)
  const place = Number(LOG.readBigUInt64LE(2 * PAGE + 8))
  lost.fill(0xff, place, place + PAGE)
  const { records } = await read(lost)
  t.is(records.at(-1)?.lsn, 1080813n)
  t.false(records.at(-1)?.cutOff)
})

test('pages that 2.0 wrote early stand in for those that are lost', async (t) => {
  const lost = Buffer.from(LOG)
  const place = LOG.readUInt32LE(18 * PAGE + 60)
  lost.fill(0xff, place, place + PAGE)
  const { records } = await read(lost)
  t.true(records.some(({ lsn }) => lsn === 1080802n))
})

test('of two restart pages the later counts, and one is enough', async (t) => {
  const damaged = Buffer.from(LOG)
  damaged.fill(0, 0, PAGE)
  t.deepEqual(rows((await read(damaged)).records), TRUTH)
  damaged.fill(0, PAGE, 2 * PAGE)
  await t.throwsAsync(
    openLogFile(bufferSource(damaged), () => {}),
    {
      instanceOf: NtfsError,
      message: /no restart page/,
    },
  )
})

test('a log that a tool has reset holds nothing', async (t) => {
  const { restart, records } = await read(Buffer.alloc(1 << 20, 0xff))
  t.is(restart, undefined)
  t.deepEqual(records, [])
})

/** A log of full pages, from the page on that an LSN begins in; `payloads` become updates of no operation. */
function encodeLog(
  pages: number,
  firstPage: number,
  firstLap: number,
  payloads: readonly number[],
  major = 1,
): Buffer {
  const offsetBits = Math.ceil(Math.log2(pages * PAGE)) - 3
  const circular = major < 2 ? 4 : 34
  const bytes = Buffer.alloc(pages * PAGE, 0xff)
  const starts: number[] = []
  let [page, lap, at] = [firstPage, BigInt(firstLap), 64]
  let lastLsn = 0n
  const begin = () => {
    bytes.fill(0, page * PAGE, (page + 1) * PAGE)
    bytes.write('RCRD', page * PAGE)
    starts.push(page)
    at = 64
  }
  const seal = () => bytes.writeBigUInt64LE(lastLsn, page * PAGE + 8)
  const next = () => {
    seal()
    page++
    if (page === pages) {
      page = circular
      lap++
    }
    begin()
  }
  begin()
  for (const [index, length] of payloads.entries()) {
    if (at + 48 > PAGE) next()
    lastLsn = (lap << BigInt(offsetBits)) + BigInt((page * PAGE + at) / 8)
    const header = page * PAGE + at
    bytes.writeBigUInt64LE(lastLsn, header)
    bytes.writeUInt32LE(length, header + 24)
    bytes.writeUInt32LE(1, header + 32)
    bytes.writeUInt32LE(index, header + 36)
    at += 48
    let left = length
    while (left > 0) {
      if (at === PAGE) next()
      const piece = Math.min(left, PAGE - at)
      bytes.fill(index + 1, page * PAGE + at, page * PAGE + at + piece)
      left -= piece
      at += piece
    }
    at = Math.ceil(at / 8) * 8
  }
  seal()
  const protect = (offset: number, array: number) => {
    bytes.writeUInt16LE(array, offset + 4)
    bytes.writeUInt16LE(9, offset + 6)
    bytes.writeUInt16LE(1, offset + array)
    for (let stride = 1; stride <= 8; stride++) {
      const end = offset + stride * 512 - 2
      bytes.copy(bytes, offset + array + 2 * stride, end, end + 2)
      bytes.writeUInt16LE(1, end)
    }
  }
  for (const start of starts) protect(start * PAGE, 40)
  bytes.fill(0, 0, PAGE)
  bytes.write('RSTR')
  bytes.writeUInt32LE(PAGE, 16)
  bytes.writeUInt32LE(PAGE, 20)
  bytes.writeUInt16LE(48, 24)
  bytes.writeUInt16LE(major, 28)
  bytes.writeBigUInt64LE(lastLsn, 48)
  bytes.writeUInt32LE(64 - offsetBits, 48 + 16)
  bytes.writeUInt16LE(48, 48 + 36)
  bytes.writeUInt16LE(64, 48 + 38)
  protect(0, 30)
  return bytes
}

test('records go on over pages and from the end of the log to its beginning', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.nat(300), fc.nat(12_000)), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 34, max: 63 }),
      fc.constantFrom(1, 2),
      async (lengths, firstPage, major) => {
        const { records } = await read(encodeLog(70, firstPage, 3, lengths, major))
        t.deepEqual(
          records.map(({ transaction, data, cutOff }) => [transaction, data.length, cutOff]),
          lengths.map((length, index) => [index, length, false]),
        )
        t.true(records.every(({ transaction, data }) => data.every((byte) => byte === transaction + 1)))
      },
    ),
    { numRuns: 60 },
  )
})

test('a record whose end has been written over is given as far as it goes', async (t) => {
  const log = encodeLog(64, 40, 3, [100, 9000, 50])
  log.fill(0xff, 41 * PAGE, 42 * PAGE)
  const { records } = await read(log)
  t.deepEqual(
    records.map(({ transaction, cutOff }) => [transaction, cutOff]),
    [
      [0, false],
      [1, true],
      [2, false],
    ],
  )
})

test('the next lap does not go on with a record whose page is lost at the end of the log', async (t) => {
  const log = encodeLog(64, 62, 3, [9000, 5000])
  log.fill(0xff, 63 * PAGE, 64 * PAGE)
  const { records } = await read(log)
  t.deepEqual(
    records.map(({ transaction, cutOff }) => [transaction, cutOff]),
    [
      [0, true],
      [1, false],
    ],
  )
})

test('a fast page of 2.0 goes where it says', async (t) => {
  const log = encodeLog(64, 40, 3, [100, 200], 2)
  log.copy(log, 5 * PAGE, 40 * PAGE, 41 * PAGE)
  log.writeUInt32LE(40 * PAGE, 5 * PAGE + 60)
  log.fill(0xff, 40 * PAGE, 41 * PAGE)
  t.is((await read(log)).records.length, 2)
  log.writeUInt32LE(0xffff_f000, 5 * PAGE + 60)
  t.is((await read(log)).records.length, 0)
})

test('a torn page is said to be torn, and its whole sectors still tell', async (t) => {
  const torn = Buffer.from(LOG)
  const offset = 40 * PAGE
  t.is(torn.toString('latin1', offset, offset + 4), 'RCRD')
  torn.writeUInt16LE(torn.readUInt16LE(offset + 1022) ^ 0xffff, offset + 1022)
  const { records, findings } = await read(torn)
  t.regex(findings[0]!.message, /torn at sector 1$/)
  t.is(findings[0]!.offset, BigInt(offset))
  t.deepEqual(rows(records).length, TRUTH.length)
})

test('pages that cannot be read cost themselves', async (t) => {
  const source = bufferSource(LOG)
  const findings: Finding[] = []
  const log = await openLogFile(
    {
      ...source,
      async read(offset, length) {
        if (offset < BigInt(41 * PAGE) && offset + BigInt(length) > BigInt(40 * PAGE))
          throw new FormatError('clusters are missing')
        return LOG.subarray(Number(offset), Number(offset) + length)
      },
    },
    (finding) => findings.push(finding),
  )
  let count = 0
  for await (const batch of log.records()) count += batch.length
  t.true(count > 500 && count < TRUTH.length)
  t.is(findings.length, 1)
})

test('case 30: mutated logs are read to their end, bounded, and nothing but an NtfsError is thrown', async (t) => {
  const start = LOG.subarray(0, 64 * PAGE)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.oneof(fc.nat(63 * PAGE), fc.nat(100)), fc.nat(255)), {
        minLength: 1,
        maxLength: 200,
      }),
      fc.boolean(),
      async (changes, inHeaders) => {
        const mutated = Buffer.from(start)
        for (const [at, byte] of changes) mutated[inHeaders ? at - (at % PAGE) + (at % 128) : at] = byte
        try {
          const { records } = await read(mutated)
          for (const { update } of records) {
            if (!update) continue
            targetRecord(update, 4096, 1024)
            embeddedFileName(update)
            updatedTimes(update)
          }
          t.true(records.length < 2000)
        } catch (error) {
          if (!(error instanceof NtfsError)) throw error
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('a page of 1.1 stays where it is, whatever stands where 2.0 tells the place', async (t) => {
  const log = encodeLog(40, 5, 3, [100, 9000, 50])
  // As a log has it that was formatted with ones and never cleared.
  for (let page = 5; page < 8; page++) log.writeUInt32LE(0xffff_ffff, page * PAGE + 60)
  const { records } = await read(log)
  t.deepEqual(
    records.map(({ transaction, data, cutOff }) => [transaction, data.length, cutOff]),
    [100, 9000, 50].map((length, index) => [index, length, false]),
  )
})

test('pages that the driver was still filling tell what is in them', async (t) => {
  const log = encodeLog(64, 40, 3, [100, 9000, 50])
  for (const page of [41, 42]) for (const field of [8, 32]) log.writeBigUInt64LE(0n, page * PAGE + field)
  const { records } = await read(log)
  t.deepEqual(
    records.map(({ transaction, cutOff }) => [transaction, cutOff]),
    [
      [0, false],
      [1, false],
      [2, false],
    ],
  )
})
