import test from 'ava'
import fc from 'fast-check'
import {
  FACT_NAMES,
  FACTS,
  factOf,
  formatFact,
  formatTime,
  parseFact,
} from '../../../src/formats/image/facts.js'

const VALUES = {
  text: fc.string(),
  number: fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }),
  address: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  time: fc.bigInt({ min: 0n, max: 253_402_300_799_999_999_999n }),
  bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
}

test('every fact survives being written', (t) => {
  for (const name of FACT_NAMES)
    fc.assert(
      fc.property(VALUES[FACTS[name].kind], (value: string | bigint | Buffer) => {
        t.deepEqual(parseFact(name, formatFact(name, value)), value)
      }),
      { numRuns: 50 },
    )
})

test('a fact that is none of its kind is not taken', (t) => {
  t.is(parseFact('pageSize', 'large'), undefined)
  t.is(parseFact('kimageVoffset', '0x'), undefined)
  t.is(parseFact('acquisitionTime', 'yesterday'), undefined)
  t.is(parseFact('acquisitionTime', '2026-02-31T25:00:00Z'), undefined)
})

test('no predicate and no title stands for two facts', (t) => {
  for (const key of ['predicate', 'title'] as const)
    t.is(new Set(FACT_NAMES.map((name) => FACTS[name][key])).size, FACT_NAMES.length)
  t.is(factOf('http://aff4.org/Schema#NTKernelBase'), 'ntKernelBase')
  t.is(factOf('http://aff4.org/Schema#size'), undefined)
})

test('times have the digits that they need', (t) => {
  t.is(formatTime(0n), '1970-01-01T00:00:00Z')
  t.is(formatTime(1_500_000_000n), '1970-01-01T00:00:01.5Z')
  t.is(formatTime(-1n), '1969-12-31T23:59:59.999999999Z')
})
