import test from 'ava'
import { errorEntries } from '../../../../src/formats/ewf/writer/error-entries.js'

const entries = (runs: [bigint, bigint][], mediaSize = 1n << 50n) =>
  errorEntries(
    runs.map(([start, length]) => ({ start, length })),
    mediaSize,
    512,
  ).map(({ firstSector, sectors }) => [firstSector, sectors])

test('a range makes all sectors bad of which it has a byte', (t) => {
  t.deepEqual(entries([[512n, 512n]]), [[1, 1]])
  t.deepEqual(entries([[511n, 2n]]), [[0, 2]])
})

test('ranges in one sector, and sectors that touch, are one entry', (t) => {
  t.deepEqual(
    entries([
      [10n, 10n],
      [30n, 10n],
      [512n, 1n],
      [2048n, 512n],
    ]),
    [
      [0, 2],
      [4, 1],
    ],
  )
})

test('entries end where the media does, and where their numbers do', (t) => {
  t.deepEqual(
    entries(
      [
        [0n, 5000n],
        [8000n, 10n],
      ],
      1000n,
    ),
    [[0, 2]],
  )
  t.deepEqual(entries([[(2n ** 32n - 2n) * 512n, 512n * 10n]]), [[2 ** 32 - 2, 1]])
  t.deepEqual(entries([[2n ** 32n * 512n, 512n]]), [])
})
