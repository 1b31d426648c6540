import test from 'ava'
import fc from 'fast-check'
import { parseTarget } from '../../../src/formats/ntfs/path.js'

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

const path = (directories: string[], ...readings: [string, object?][]) => ({
  kind: 'path',
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
  for (const [text, target] of forms) t.deepEqual(parseTarget(text), target as never, text)
  t.deepEqual(parseTarget('$orphan'), { ...path([]), orphan: true } as never)
  t.deepEqual(parseTarget('$Orphan/d/f:s'), {
    ...path(['d'], ['f:s'], ['f', data('s')]),
    orphan: true,
  } as never)
})

test('any text is a target', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const target = parseTarget(text)
      return target.kind === 'record' || target.readings.every(({ name }) => name !== '')
    }),
  )
  t.pass()
})
