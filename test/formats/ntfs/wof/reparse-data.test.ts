import test from 'ava'
import { NtfsError } from '../../../../src/formats/ntfs/finding.js'
import { decodeWofReparseData } from '../../../../src/formats/ntfs/wof/reparse-data.js'

const words = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer)

test('the algorithm of a compressed file, by its number', (t) => {
  t.deepEqual(
    [0, 1, 2, 3].map((number) => decodeWofReparseData(words(1, 2, 1, number))),
    (['xpress4k', 'lzx', 'xpress8k', 'xpress16k'] as const).map((algorithm) => ({
      provider: 'file',
      algorithm,
    })),
  )
})

test('content that is in a WIM is elsewhere', (t) => {
  t.deepEqual(decodeWofReparseData(words(1, 1, 2, 0, 7, 7, 7)), { provider: 'wim' })
})

test('what is not known is refused', (t) => {
  const cases: [data: Buffer, message: RegExp][] = [
    [words(1), /cut off/],
    [words(1, 2, 1), /cut off/],
    [words(2, 2, 1, 0), /has the version 2/],
    [words(1, 3, 1, 0), /has the provider 3/],
    [words(1, 2, 5, 0), /has the provider version 5/],
    [words(1, 2, 1, 4), /has the algorithm 4/],
  ]
  for (const [data, message] of cases)
    t.throws(() => decodeWofReparseData(data), { instanceOf: NtfsError, message })
})
