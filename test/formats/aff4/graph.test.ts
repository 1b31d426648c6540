import test from 'ava'
import fc from 'fast-check'
import { DataFactory } from '../../../src/formats/aff4/n3.js'
import { createGraph, type Node, type Statement } from '../../../src/formats/aff4/turtle.js'

const { blankNode, literal, namedNode } = DataFactory

/** Few names, so that facts come twice, and subjects again after others; some facts larger than what holds them. */
const name = fc.oneof(fc.constantFrom('aff4://a', 'aff4://b', '_:b0', 'ä', '\ud800', ''), fc.webUrl())
const value = fc.oneof(
  { weight: 20, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 20, arbitrary: fc.constantFrom('', '"', 'x"@en', 'x\\', '\ud800', 'é', '1') },
  { weight: 1, arbitrary: fc.nat({ max: 3 << 20 }).map((length) => 'long '.repeat(length / 5)) },
)
const object: fc.Arbitrary<Node> = fc.oneof(
  name.map((iri) => namedNode(iri)),
  fc.string({ minLength: 1 }).map((label) => blankNode(label)),
  value.map((text) => literal(text)),
  fc.tuple(value, name).map(([text, datatype]) => literal(text, namedNode(datatype))),
  fc.tuple(value, fc.constantFrom('en', 'de-at')).map(([text, language]) => literal(text, language)),
)
const statement: fc.Arbitrary<Statement> = fc.record({ subject: name, predicate: name, object })
const show = ({ subject, predicate, object: { termType, id } }: Statement) =>
  JSON.stringify([subject, predicate, termType, id])
const once = (statements: readonly Statement[]) => [
  ...new Map(statements.map((one) => [show(one), one])).values(),
]

test('a graph gives back each fact once, in the order of arrival, by whatever it is asked for', (t) => {
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 120 }), fc.nat({ max: 120 }), (given, cut) => {
      const graph = createGraph()
      let mark = 0
      for (const [index, { subject, predicate, object }] of given.entries()) {
        if (index === cut) mark = graph.mark()
        graph.add(subject, predicate, object)
      }
      const expected = once(given)
      t.deepEqual([...graph.statements].map(show), expected.map(show))
      if (cut < given.length)
        t.deepEqual(
          [...graph.since(mark)].map(show),
          expected.slice(once(given.slice(0, cut)).length).map(show),
        )
      t.deepEqual([...graph.subjects()], [...new Set(expected.map(({ subject }) => subject))])
      for (const { subject, predicate } of expected) {
        const own = expected.filter((one) => one.subject === subject)
        const values = own.filter((one) => one.predicate === predicate).map(({ object }) => object)
        t.deepEqual(graph.about(subject).map(show), own.map(show))
        t.deepEqual(graph.all(subject, predicate), values)
        t.is(graph.value(subject, predicate), values[0]!.value)
      }
    }),
    { numRuns: 60 },
  )
})

test('a subject of very many facts is searched as fast as others, and keeps each once', (t) => {
  const graph = createGraph()
  for (let round = 0; round < 2; round++)
    for (let index = 0; index < 50_000; index++) {
      graph.add('aff4://volume', 'contains', namedNode(`aff4://${index}`))
      graph.add('aff4://volume', 'size', literal(`${index % 100}`))
    }
  t.is(graph.all('aff4://volume', 'contains').length, 50_000)
  t.is(graph.all('aff4://volume', 'size').length, 100)
  t.is(graph.value('aff4://volume', 'contains'), 'aff4://0')
})

test('a hundred thousand objects with their facts take the memory of their text, not of objects', (t) => {
  const graph = createGraph()
  const before = process.memoryUsage()
  for (let index = 0; index < 100_000; index++) {
    // A string that is cut out of a larger one would keep all of that.
    const piece = `aff4://volume//folder/file ${index} ${'and what follows it '.repeat(50)}`
    const subject = piece.slice(0, 40)
    for (let fact = 0; fact < 5; fact++)
      graph.add(subject, `http://aff4.org/Schema#property${fact}`, literal(piece.slice(20, 50)))
    graph.add(subject, 'http://aff4.org/Schema#stored', namedNode('aff4://volume'))
  }
  const after = process.memoryUsage()
  const taken = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  t.true(taken < 100 << 20, `${taken >> 20} MiB`)
})
