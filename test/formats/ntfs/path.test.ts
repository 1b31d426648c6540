import test from 'ava'
import fc from 'fast-check'
import { parseTarget, readingsOf, stepsOf } from '../../../src/formats/ntfs/path.js'

const record = (number: number, given = {}) => ({
  kind: 'record',
  record: number,
  sequence: undefined,
  attribute: undefined,
  ...given,
})

test('records as tools print them', (t) => {
  const forms: readonly [string, object][] = [
    ['5', record(5)],
    ['39-2', record(39, { sequence: 2 })],
    ['0-0?', record(0, { sequence: 0 })],
    ['89063-128-3', record(89063, { attribute: { type: 128, id: 3 } })],
    ['39-2-128-3', record(39, { sequence: 2, attribute: { type: 128, id: 3 } })],
    ['39:128', record(39, { attribute: { type: 128, name: '' } })],
    ['39:128:', record(39, { attribute: { type: 128, name: '' } })],
    ['39-7:0x80:a:b/c', record(39, { sequence: 7, attribute: { type: 128, name: 'a:b/c' } })],
    ['5:$index_root:$I30', record(5, { attribute: { type: 0x90, name: '$I30' } })],
  ]
  for (const [text, target] of forms) t.deepEqual(parseTarget(text), target as never, text)
})

/** The names of a path up to its separators, and what the last can mean. */
function plainOf(text: string): object {
  const target = parseTarget(text)
  if (target.kind !== 'path') return target
  const names: string[] = []
  for (let left = target.text; left !== ''; left = stepsOf(left).plain.rest)
    names.push(stepsOf(left).plain.name)
  const last = names.pop()
  return {
    orphan: target.orphan,
    directories: names,
    readings: last === undefined ? [] : readingsOf(last),
  }
}

const path = (directories: string[], ...readings: [string, object?][]) => ({
  orphan: false,
  directories,
  readings: readings.map(([name, attribute]) => ({ name, attribute })),
})
const data = (name: string) => ({ type: 128, name })

test('paths with either slash, streams behind the last colon', (t) => {
  const forms: readonly [string, object][] = [
    ['', path([])],
    ['/', path([])],
    ['a', path([], ['a'])],
    ['\\Windows\\System32/config\\', path(['Windows', 'System32'], ['config'])],
    ['./a//b/.', path(['a'], ['b'])],
    ['.\\a\\\\b\\.', path(['a'], ['b'])],
    ['\\/.\\/a', path([], ['a'])],
    ['\\.\\', path([])],
    ['$Orphanage', path([], ['$Orphanage'])],
    ['/5', path([], ['5'])],
    ['/39-128-1', path([], ['39-128-1'])],
    ['a/39:128', path(['a'], ['39:128'], ['39', data('128')])],
    ['notes.txt:ads', path([], ['notes.txt:ads'], ['notes.txt', data('ads')])],
    ['a:b:c', path([], ['a:b:c'], ['a:b', data('c')])],
    ['a:b:$DATA', path([], ['a:b:$DATA'], ['a', data('b')], ['a:b', data('$DATA')])],
    ['a::$data', path([], ['a::$data'], ['a', data('')], ['a:', data('$data')])],
    [
      'd:$I30:$INDEX_ALLOCATION',
      path(
        [],
        ['d:$I30:$INDEX_ALLOCATION'],
        ['d', { type: 0xa0, name: '$I30' }],
        ['d:$I30', data('$INDEX_ALLOCATION')],
      ),
    ],
    [':a', path([], [':a'])],
    ['5:nothing', path([], ['5:nothing'], ['5', data('nothing')])],
  ]
  for (const [text, target] of forms) t.deepEqual(plainOf(text), target as never, text)
  t.deepEqual(plainOf('$orphan'), { ...path([]), orphan: true } as never)
  t.deepEqual(plainOf('\\$Orphan/d/f:s'), {
    ...path(['d'], ['f:s'], ['f', data('s')]),
    orphan: true,
  } as never)
})

test('a path may begin with names that have separators in them', (t) => {
  const steps = (text: string) => {
    const { backslashed, plain, longer } = stepsOf(text)
    const told = ({ name, rest }: { name: string; rest: string }) => `${name} ${rest}`.trim()
    return [backslashed.map(told), told(plain), longer.map(told)]
  }
  t.deepEqual(steps('a'), [[], 'a', []])
  t.deepEqual(steps('a/b'), [[], 'a b', ['a/b']])
  t.deepEqual(steps('a\\b\\c/d'), [
    ['a\\b\\c d', 'a\\b c/d'],
    'a b\\c/d',
    ['a\\b c/d', 'a\\b\\c d', 'a\\b\\c/d'],
  ])
  t.deepEqual(steps('\\a\\b'), [['\\a\\b', '\\a b', 'a\\b'], 'a b', ['a\\b']])
  t.deepEqual(steps('a\\'), [['a\\'], 'a', ['a\\']])
})

test('any text is a target', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('/', '\\', '.', 'a', ':') })),
      (text) => {
        const target = parseTarget(text)
        if (target.kind === 'record') return
        for (let left = target.text; left !== ''; ) {
          const { backslashed, plain, longer } = stepsOf(left)
          for (const { name, rest } of [...backslashed, plain, ...longer]) {
            t.not(name, '')
            t.true(rest.length < left.length)
          }
          t.notRegex(plain.name, /[/\\]/)
          left = plain.rest
        }
      },
    ),
  )
  t.pass()
})
