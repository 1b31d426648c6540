import test from 'ava'
import { addTurtle, createGraph } from '../../../src/formats/aff4/turtle.js'

test('whole numbers are taken in every form in which writers have them, and nothing else for one', (t) => {
  const graph = createGraph()
  const forms = [
    '42',
    '+42',
    '"42"',
    '"042"^^x:long',
    '" 42\\n"^^x:int',
    '"0x2A"^^x:hexadecimal',
    '"-42"^^x:int',
    '42.0',
    '4e1',
    '"0x"',
    '"42 "@en',
    '"4 2"',
    '""',
  ]
  const lines = forms.map((form, index) => `<s${index}> x:size ${form} .`)
  addTurtle(graph, `@prefix x: <x:> .\n${lines.join('\n')}`, 'aff4://volume/')
  const read = forms.map((_, index) => graph.integer(`aff4://volume/s${index}`, 'x:size'))
  const none = undefined
  t.deepEqual(read, [42n, 42n, 42n, 42n, 42n, 42n, none, none, none, none, 42n, none, none])
})
