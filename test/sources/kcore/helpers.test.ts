import test from 'ava'
import { hiddenSymbols } from '../../../src/sources/kcore/helpers.js'

const kallsyms = (text: string) => [{ path: '/proc/kallsyms', bytes: Buffer.from(text), cut: false }]

test('symbols without addresses are warned of; the zeros of each processor are none', (t) => {
  const zeros = '0000000000000000 A fixed_percpu_data\n0000000000000000 T _text\n'
  t.regex(hiddenSymbols(kallsyms(zeros))!, /^\/proc\/kallsyms: every address is 0/)
  t.is(hiddenSymbols(kallsyms(`${zeros}ffffffff81000000 T _stext\n`)), undefined)
  t.is(hiddenSymbols([]), undefined)
})
