import { execFileSync } from 'node:child_process'
import test from 'ava'
import { splitArguments } from '../../../src/platform/linux/raw-arguments.js'

test('arguments are split at their NULs, empty ones included', (t) => {
  const split = (text: string) =>
    splitArguments(Buffer.from(text, 'latin1')).map((raw) => raw.toString('latin1'))
  t.deepEqual(split('node\0\0a b\0caf\xe9\0'), ['node', '', 'a b', 'caf\xe9'])
  t.deepEqual(split('cut'), ['cut'])
  t.deepEqual(split(''), [])
})

test('the bytes of an argument that is not UTF-8 are found again', (t) => {
  const module = new URL('../../../src/platform/linux/raw-arguments.js', import.meta.url).href
  const script = `import { rawArgument } from '${module}'
    console.log(process.argv.slice(2).map((word) => rawArgument(word).toString('hex')).join())`
  const out = execFileSync('sh', [
    '-c',
    `"$0" --input-type=module -e "$1" x "$(printf 'a\\351b')" ok`,
    process.execPath,
    script,
  ])
  t.is(out.toString().trim(), '61e962,6f6b')
})
