import test from 'ava'
import type { Mapping } from '../../../src/platform/linux/process-maps.js'
import { mappingSpans } from '../../../src/sources/process/spans.js'

const PAGE = 0x1000n
const anonymous = (start: bigint, length: bigint, permissions: string): Mapping => ({
  start,
  length,
  permissions,
  fileOffset: 0n,
  device: '00:00',
  inode: 0n,
  path: '',
})

/** Tells of so many pages that nobody has touched, and fails. */
const failingAfter = (pages: number) => ({
  read(position: bigint, into: Uint8Array): number {
    const left = pages - Number(position / 8n)
    if (left <= 0) throw Object.assign(new Error('EIO: i/o error, read'), { errno: -5, code: 'EIO' })
    return into.fill(0, 0, left * 8).subarray(0, left * 8).length
  },
  close() {},
})

test('what pagemap fails to tell of is read, but for reservations, which is said', async (t) => {
  const mappings = [anonymous(0n, 6n * PAGE, 'rw-p'), anonymous(16n * PAGE, 4n * PAGE, '---p')]
  const spans = []
  for await (const span of mappingSpans(mappings, failingAfter(4), PAGE)) spans.push(span)
  t.deepEqual(spans, [
    { start: 0n, length: 4n * PAGE, fill: 'zero' },
    { start: 4n * PAGE, length: 2n * PAGE },
    {
      start: 16n * PAGE,
      length: 4n * PAGE,
      fill: 'unknown',
      note: {
        level: 'warning',
        message: 'a reservation, not read: pagemap does not tell what is in use',
      },
    },
  ])
})
