import { spawnSync } from 'node:child_process'
import path from 'node:path'
import test from 'ava'
import { data, memory, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'

const REFERENCE = 'test/data/aff4/Base-Allocated.aff4'
const DREAM = 'test/data/aff4/dream.aff4'

/** How many triples rdflib finds, and whether they are those of the volumes themselves. */
function compareWithRdflib(turtle: string, volumes: readonly string[]): string {
  const script = `
import sys, zipfile
from rdflib import Graph
from rdflib.compare import isomorphic
shown, stored = Graph(), Graph()
shown.parse(data=sys.stdin.read(), format='turtle')
for path in sys.argv[1:]:
    # A plain string and an xsd:string are the same to RDF 1.1, which this rdflib does not know yet.
    turtle = zipfile.ZipFile(path).read('information.turtle').decode().replace('^^xsd:string', '')
    stored.parse(data=turtle, format='turtle')
print('same' if isomorphic(shown, stored) else 'different', len(shown) > 0)`
  const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', script, ...volumes], {
    input: turtle,
    encoding: 'utf8',
  })
  return `${stdout}${stderr}`.trim()
}

test('shows the facts of one volume or several as rdflib finds them there', async (t) => {
  for (const volumes of [[REFERENCE], [DREAM], [REFERENCE, DREAM]]) {
    const { status, stdout } = await runTool('aff4-view', volumes, Buffer.alloc(0))
    t.is(status, 0)
    t.is(compareWithRdflib(stdout.toString(), volumes), 'same True')
  }
})

test('shows what a name, a note and a blank node in META hold, and nothing that steers a terminal', async (t) => {
  const volume = path.join(await scratch(t), 'volume.aff4')
  const turtle = '<> <http://example.org/p> [ <http://example.org/q> "\\u001b[31mred" ] .'
  const frames = stream(memory({ name: '\u001b]0;owned\u0007' }), [
    { type: 'meta', stream: 1, time: 0n, turtle },
    data(0n, Buffer.alloc(5000, 'x')),
  ])
  await runTool('aff4-sink', [volume], transmission(frames))
  const { stdout } = await runTool('aff4-view', [volume], Buffer.alloc(0))
  t.false(/\p{Cc}/u.test(stdout.toString().replaceAll('\n', '')))
  t.true(stdout.includes('\\u001B]0;owned\\u0007'))
  t.is(compareWithRdflib(stdout.toString(), [volume]), 'same True')
})

test('a text in some language keeps it, in Turtle and in JSON', async (t) => {
  const volume = path.join(await scratch(t), 'volume.aff4')
  const turtle = '<> <http://example.org/colour> "rot"@de .'
  const frames = stream(memory(), [
    { type: 'meta', stream: 1, time: 0n, turtle },
    data(0n, Buffer.alloc(5000, 'x')),
  ])
  await runTool('aff4-sink', [volume], transmission(frames))
  const shown = await runTool('aff4-view', [volume], Buffer.alloc(0))
  t.is(compareWithRdflib(shown.stdout.toString(), [volume]), 'same True')
  const json = (await runTool('aff4-view', ['--json', volume], Buffer.alloc(0))).stdout.toString()
  const facts = Object.values(JSON.parse(json) as Record<string, Record<string, unknown>>)
  const colours = facts.map((of) => of['http://example.org/colour']).filter((one) => one !== undefined)
  t.deepEqual(colours, [[{ type: 'literal', value: 'rot', lang: 'de' }]])
})

test('--json gives the same facts as RDF/JSON', async (t) => {
  const { stdout } = await runTool('aff4-view', ['--json', DREAM], Buffer.alloc(0))
  const graph = JSON.parse(stdout.toString()) as Record<string, Record<string, unknown[]>>
  const [[subject, facts]] = Object.entries(graph) as [[string, Record<string, unknown[]>]]
  t.true(subject.endsWith('dream.txt'))
  t.deepEqual(facts['http://aff4.org/Schema#size'], [
    { type: 'literal', value: '8688', datatype: 'http://www.w3.org/2001/XMLSchema#integer' },
  ])
  t.is(facts['http://aff4.org/Schema#hash']!.length, 2)
})

test('begins with the prefixes of the pmem suite, then those that the volumes use', async (t) => {
  const { stdout } = await runTool('aff4-view', [REFERENCE, DREAM], Buffer.alloc(0))
  const prefixes = stdout.toString().split('\n\n')[0]!.split('\n')
  t.deepEqual(
    prefixes.map((line) => line.split(/\s+/)),
    [
      ['rdf', 'http://www.w3.org/1999/02/22-rdf-syntax-ns#'],
      ['aff4', 'http://aff4.org/Schema#'],
      ['xsd', 'http://www.w3.org/2001/XMLSchema#'],
      ['memory', 'http://aff4.org/Schema#memory/'],
      ['rdfs', 'http://www.w3.org/2000/01/rdf-schema#'],
      ['xml', 'http://www.w3.org/XML/1998/namespace'],
    ].map(([prefix, namespace]) => ['@prefix', `${prefix}:`, `<${namespace}>`, '.']),
  )
})
