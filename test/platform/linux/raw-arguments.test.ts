import { execFileSync } from 'node:child_process'
import test from 'ava'
import { matchArguments, splitArguments } from '../../../src/platform/linux/raw-arguments.js'

test('arguments are split at their NULs, empty ones included', (t) => {
  const split = (text: string) =>
    splitArguments(Buffer.from(text, 'latin1')).map((raw) => raw.toString('latin1'))
  t.deepEqual(split('node\0\0a b\0caf\xe9\0'), ['node', '', 'a b', 'caf\xe9'])
  t.deepEqual(split('cut'), ['cut'])
  t.deepEqual(split(''), [])
})

test('the bytes of an argument that is not UTF-8 are found again', (t) => {
  const module = new URL('../../../src/platform/linux/raw-arguments.js', import.meta.url).href
  const script = `import { rawArguments } from '${module}'
    console.log(rawArguments(process.argv.slice(2)).map((raw) => raw?.toString('hex')).join())`
  const out = execFileSync('sh', [
    '-c',
    `"$0" --input-type=module -e "$1" x "$(printf 'a\\351b')" ok`,
    process.execPath,
    script,
  ])
  t.is(out.toString().trim(), '61e962,')
})

test('arguments that read the same are told apart by their order, or not at all', (t) => {
  const args = (...texts: string[]) => texts.map((text) => Buffer.from(text, 'latin1'))
  const match = (words: string[], given: Buffer[]) =>
    matchArguments(words, given).map((raw) => raw?.toString('latin1'))
  const both = args('pmem', '-i', 'r\xe9', 'x', 'r\xe8', 'r')
  t.deepEqual(match(['r\ufffd', 'x', 'r\ufffd'], both), ['r\xe9', undefined, 'r\xe8'])
  t.deepEqual(match(['r\ufffd'], both), [undefined])
  t.deepEqual(match(['r\ufffd', 'r\ufffd'], args('r\xe9')), ['r\xe9', 'r\xe9'])
  t.deepEqual(match(['r\ufffd'], args('r\xe9', '-o', 'r\xe9')), ['r\xe9'])
  t.deepEqual(match(['r\ufffd'], args('r')), [undefined])
})
