import { aff4, pmem, text } from './lexicon.js'
import { decodeName } from './names.js'
import type { Graph } from './turtle.js'
import type { Volume } from './volume.js'

/**
 * Gives every file its `originalFileName`, where the writer of its volume put the name elsewhere: AFF4-L 2.1 has the
 * path in terms of its own.
 * @returns whether there was any
 */
export function addOriginalNames(graph: Graph): boolean {
  const before = graph.mark()
  for (const subject of graph.subjects()) {
    if (graph.value(subject, aff4('originalFileName')) !== undefined) continue
    const name = graph.value(subject, aff4('originalPathName')) ?? graph.value(subject, aff4('fileName'))
    if (name === undefined) continue
    graph.add(subject, aff4('originalFileName'), text(name))
    const bytes =
      graph.value(subject, aff4('originalPathNameRaw')) ?? graph.value(subject, aff4('fileNameRaw'))
    if (bytes !== undefined) graph.add(subject, pmem('nameBytes'), text(bytes))
  }
  return graph.mark() !== before
}

/** What people call an object: the path that it had, its place below the volume that has it, or else its URN. */
export function displayName({ graph, urn: volume }: Pick<Volume, 'graph' | 'urn'>, urn: string): string {
  const path = graph.value(urn, aff4('originalFileName'))
  if (path) return path
  // Of a set of volumes, another one may describe it.
  const homes = [volume, ...graph.all(urn, aff4('stored')).map(({ value }) => value)]
  const home = homes.find((one) => urn.length > one.length + 1 && urn.startsWith(`${one}/`))
  return home === undefined ? urn : decodeName(urn.slice(home.length + 1))
}

/**
 * Text as pyaff4 writes it under newer versions of rdflib: the notation of Python's byte strings, `b'a\xc3\xa4'`, and
 * that of this notation each time that it appends to a volume.
 * @returns undefined where it is none
 */
export function unwrapPythonBytes(value: string): string | undefined {
  let text: string | undefined
  for (let layers = 0; layers < MOST_LAYERS; layers++) {
    const inner = unwrapOnce(text ?? value)
    if (inner === undefined) break
    text = inner
  }
  return text
}

/** Beyond, no honest text would fit a statement: each layer doubles its quotes and backslashes. */
const MOST_LAYERS = 32

function unwrapOnce(value: string): string | undefined {
  const [, quote, body] = /^b(['"])(.*)\1$/s.exec(value) ?? []
  if (quote === undefined || body === undefined) return undefined
  const latin = body.replace(/\\(?:x([0-9a-f]{2})|(.))/gs, (_, hex: string | undefined, other: string) =>
    hex === undefined ? (PYTHON_ESCAPES[other] ?? other) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(latin, 'latin1').toString('utf8')
}

const PYTHON_ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t' }
