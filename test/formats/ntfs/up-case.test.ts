import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import {
  builtInUpCase,
  compareIgnoringCase,
  compareNames,
  decodeUpCase,
} from '../../../src/formats/ntfs/up-case.js'

const refuse = () => {
  throw new Error('nothing is wrong with the table')
}

test('the built-in table is the one that mkntfs writes', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-up-case-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const image = path.join(folder, 'volume')
  fs.writeFileSync(image, '')
  fs.truncateSync(image, 4 << 20)
  execFileSync('mkntfs', ['-F', '-q', '-f', '-c', '4096', image], { stdio: 'pipe' })
  const bytes = execFileSync('ntfscat', ['-f', '-i', '10', image])
  t.regex(createHash('sha256').update(bytes).digest('hex'), /^41c26bc7a12b/)
  t.deepEqual(decodeUpCase(bytes, refuse), builtInUpCase())
})

test('a table of another size is replaced by the built-in one, and said so', (t) => {
  const messages: string[] = []
  const table = decodeUpCase(Buffer.alloc(131070), ({ message }) => messages.push(message))
  t.is(table, builtInUpCase())
  t.deepEqual(messages, ['$UpCase has 131070 bytes, not 131072: the built-in table is used'])
})

test('names are ordered by upper case, length, then units', (t) => {
  const ordered = [
    'a',
    'A.txt',
    'README',
    'ReadMe',
    'Readme',
    'readme',
    'readme2',
    'z',
    '_',
    'é',
    'Ɐ',
    '\ud800',
    '\udc00',
    '\uffff',
  ]
  for (const table of [builtInUpCase()])
    for (const [at, name] of ordered.entries())
      for (const [other, another] of ordered.entries())
        t.is(Math.sign(compareNames(table, name, another)), Math.sign(at - other), `${name} ${another}`)
  t.is(compareIgnoringCase(builtInUpCase(), 'ReadMe', 'rEADmE'), 0)
  t.is(compareIgnoringCase(builtInUpCase(), 'ß', 'ß'), 0)
  t.not(compareIgnoringCase(builtInUpCase(), 'ß', 'SS'), 0)
})
