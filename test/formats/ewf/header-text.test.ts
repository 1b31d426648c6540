import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import test from 'ava'
import {
  decodeHeaderText,
  encodeHeader2Text,
  encodeHeaderText,
  header2Time,
  headerTime,
  parseHeaderTime,
} from '../../../src/formats/ewf/header-text.js'
import { decodeNotes, encodeNotes } from '../../../src/formats/ewf/notes.js'

const body = (name: string, from: number, to: number) =>
  inflateSync(readFileSync(`test/data/images/${name}.E01`).subarray(from + 76, to))

const ONE = { a: 'desc', c: 'case1', n: 'ev1', e: 'exam', t: 'notes', av: '20140813', ov: 'Linux', p: '0' }

test('header and header2 of libewf decode, and encode to the same bytes', (t) => {
  const header2 = body('one', 0x0d, 0x112)
  const values = decodeHeaderText(header2)!
  t.deepEqual(values, { ...ONE, m: '1795342095', u: '1795342095' })
  t.true(header2.equals(encodeHeader2Text(values)))

  const header = body('one', 0x217, 0x2c1)
  const time = headerTime(1795342095)
  t.deepEqual(decodeHeaderText(header), { ...ONE, m: time, u: time })
  t.true(header.equals(encodeHeaderText({ ...ONE, m: time, u: time })))
})

test('the header of linen and that of FTK Imager decode', (t) => {
  t.like(decodeHeaderText(body('x_linen5', 0x0d, 0xf2)), { c: 'case_number', m: '1795342097' })
  t.like(decodeHeaderText(body('x_ftk', 0x0d, 0xca)), { n: 'evidence_number', r: 'f' })
})

test('text beyond ASCII is read in each encoding, and no value breaks its line', (t) => {
  const values = { c: 'Fall\t7\r\nÄ', e: 'Jörg 🔍', m: header2Time(5), p: '0' }
  t.like(decodeHeaderText(encodeHeader2Text(values)), { c: 'Fall 7 Ä', e: 'Jörg 🔍', m: '5' })
  t.like(decodeHeaderText(encodeHeaderText(values)), { c: 'Fall 7 Ä', e: 'Jörg ?', m: '5' })
  t.like(decodeHeaderText(Buffer.from('1\nmain\nc\te\nJürgen\t€\n')), { c: 'Jürgen', e: '€' })
  t.like(decodeHeaderText(Buffer.from('1\nmain\nc\te\nJ\xfcrgen\t\x80\n', 'latin1')), { c: 'Jürgen', e: '€' })
  t.is(decodeHeaderText(Buffer.from('<?xml version="1.0"?>')), undefined)
})

test('a time tells whether its zone is known', (t) => {
  t.deepEqual(parseHeaderTime('1142163845'), { seconds: 1142163845, local: false })
  t.deepEqual(parseHeaderTime('2026 1 2 3 4 5'), {
    seconds: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000,
    local: true,
  })
  t.is(parseHeaderTime('yesterday'), undefined)
})

test('facts in the notes come back, and notes without any stay as they are', (t) => {
  const sha256 = 'ab'.repeat(32)
  for (const notes of ['', 'as found', 'a [b] c', '[pmem: length=x]'])
    for (const facts of [{}, { length: 1000n }, { sha256 }, { length: 1n, sha256 }])
      t.deepEqual(decodeNotes(encodeNotes(notes, facts)), { notes, facts })
})
