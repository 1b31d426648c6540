import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { Parser } from 'n3'
import { dateTime, describe, text } from '../../../src/sources/facts.js'
import { describeFile, describeFolder, describeLink } from '../../../src/sources/files/file-facts.js'
import { ask, factsOf, folder } from './support.js'

const stat = (file: string) => lstatSync(file, { bigint: true })
/** Nanoseconds since the epoch of an xsd:dateTime, by GNU date. */
const nanoseconds = (time: string) => BigInt(ask('date', '-u', '-d', time, '+%s%N'))

/** `seconds.nanoseconds` as stat(1) prints it. */
function stamp(file: string, letter: string): bigint {
  const [seconds, fraction] = ask('stat', '-c', `%.9${letter}`, file).split('.')
  return BigInt(`${seconds}${fraction}`)
}

test('the facts of a file are those that stat(1) shows', (t) => {
  const root = folder(t)
  const file = path.join(root, 'file')
  writeFileSync(file, 'twelve bytes')
  linkSync(file, path.join(root, 'second'))
  chmodSync(file, 0o4711)
  ask('touch', '-a', '-d', '2001-02-03T04:05:06.123456789Z', file)
  ask('touch', '-m', '-d', '1969-12-31T23:59:58.000000001Z', file)
  const facts = factsOf(describeFile(Buffer.from(file), stat(file), 12n))
  t.is(facts.originalFileName, file)
  t.is(facts.lastAccessed, '2001-02-03T04:05:06.123456789Z')
  t.is(facts.lastWritten, '1969-12-31T23:59:58.000000001Z')
  t.is(nanoseconds(facts.recordChanged!), stamp(file, 'Z'))
  // 0 where the file system keeps none.
  t.is(facts.birthTime === undefined ? 0n : nanoseconds(facts.birthTime), stamp(file, 'W'))
  const [mode, uid, gid, inode, links, size, device] = ask(
    'stat',
    '-c',
    '%04a %u %g %i %h %s %Hd:%Ld',
    file,
  ).split(' ')
  t.like(facts, { mode, uid, gid, inode, hardLinks: links, size, device })
})

test('the facts of a folder and of a link are their own, not those of what they lead to', (t) => {
  const root = folder(t)
  const target = path.join(root, 'target')
  mkdirSync(target)
  utimesSync(target, 1, 2)
  const link = path.join(root, 'link')
  symlinkSync('tar"get\\ ', link)
  ask('touch', '-h', '-d', '2011-11-11T11:11:11Z', link)
  t.is(factsOf(describeFolder(Buffer.from(target), stat(target))).lastWritten, '1970-01-01T00:00:02Z')
  const turtle = describeLink(Buffer.from(link), stat(link), Buffer.from(readlinkSync(link)))
  t.like(factsOf(turtle), {
    target: 'tar"get\\ ',
    lastWritten: '2011-11-11T11:11:11Z',
    type: 'https://pmem.dev/ns#SymbolicLink',
  })
})

test('a path that is not UTF-8 is shown, and kept as bytes', (t) => {
  const bytes = Buffer.from('/a/caf\xe9', 'latin1')
  const facts = factsOf(describeFile(bytes, stat('/'), undefined))
  t.is(facts.originalFileName, '/a/caf%E9')
  t.deepEqual(Buffer.from(facts.originalFileNameRaw!, 'base64'), bytes)
  t.is(facts.size, undefined)
})

test('any text survives as a literal', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const [quad] = new Parser({ baseIRI: 'aff4://test' })
        .parse(describe(['aff4:Image'], { 'pmem:x': text(value) }))
        .slice(1)
      t.is(quad?.object.value, value)
    }),
  )
})

test('times keep their nanoseconds, before the epoch and beyond four digits', (t) => {
  t.is(dateTime(0n), '"1970-01-01T00:00:00Z"^^xsd:dateTime')
  t.is(dateTime(-1n), '"1969-12-31T23:59:59.999999999Z"^^xsd:dateTime')
  t.is(dateTime(1_500_000_000n), '"1970-01-01T00:00:01.5Z"^^xsd:dateTime')
  t.is(dateTime(253_402_300_800_000_000_000n), '"10000-01-01T00:00:00Z"^^xsd:dateTime')
  fc.assert(
    fc.property(fc.bigInt(-(10n ** 19n), 10n ** 20n), (time) => {
      const [, whole, fraction = ''] = /^"(.*?)(?:\.(\d+))?Z"/.exec(dateTime(time))!
      t.is(BigInt(Date.parse(`${whole}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0')), time)
    }),
  )
})
