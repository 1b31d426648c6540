import test from 'ava'
import fc from 'fast-check'
import { formatFiletime, unixSeconds } from '../../../src/formats/ntfs/filetime.js'

const DAY = 864_000_000_000n
const YEAR_10000 = 2_650_467_744_000_000_000n

test('times of neighbouring days, in any order, are those that Date tells', (t) => {
  const day = fc.bigInt({ min: 0n, max: YEAR_10000 / DAY - 2n })
  const times = fc.array(fc.bigInt({ min: -DAY, max: 2n * DAY }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(day, times, (begins, offsets) => {
      for (const offset of offsets) {
        const time = begins * DAY + offset
        if (time <= 0n) continue
        const seconds = new Date(unixSeconds(time) * 1000).toISOString().slice(0, 19)
        t.is(formatFiletime(time), `${seconds}.${String(time % 10_000_000n).padStart(7, '0')}Z`)
      }
    }),
  )
})

test('what is not set is empty, and what is on no calendar the number itself', (t) => {
  t.is(formatFiletime(0n), '')
  t.is(formatFiletime(1n), '1601-01-01T00:00:00.0000001Z')
  t.is(formatFiletime(YEAR_10000 - 1n), '9999-12-31T23:59:59.9999999Z')
  for (const time of [-1n, YEAR_10000, -(2n ** 63n), 2n ** 63n - 1n]) t.is(formatFiletime(time), String(time))
})
