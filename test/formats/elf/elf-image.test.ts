import { readFileSync } from 'node:fs'
import test from 'ava'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { surroundingsOf } from '../image/surroundings.js'

const format = FORMATS.find(({ name }) => name === 'elf')!
const sample = readFileSync('test/data/linpmem-style.elf')
const surroundings = () => surroundingsOf('memory.elf')

test('a damaged core is refused or read in part, in bounded memory', async (t) => {
  await fuzzImage(format, sample, surroundings, 500, 1)
  t.pass()
})

test('a core that is cut at any of its headers is refused or read in part', async (t) => {
  await cutImage(format, sample, surroundings, Array(0x400).keys())
  t.pass()
})
