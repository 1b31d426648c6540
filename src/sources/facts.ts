/*
 * Facts about a stream as the Turtle of a META frame. Terms of AFF4 and AFF4-L where they have one, else our own.
 */

import { asBuffer } from '../codecs/views.js'
import { NAMESPACES } from '../formats/aff4/namespaces.js'
import {
  FACTS,
  type FactName,
  type Facts,
  factEntries,
  formatFact,
  formatTime,
} from '../formats/image/facts.js'

const PREFIXES = `@prefix aff4: <${NAMESPACES.aff4}> .
@prefix xsd: <${NAMESPACES.xsd}> .
@prefix pmem: <${NAMESPACES.pmem}> .
`

/** A value as it stands in Turtle. */
export type Literal = string

/**
 * The Turtle of one stream: `<>` with its types and what is known about it, something at least.
 * @param properties prefixed names and their values; those without one are left out
 */
export function describe(
  types: readonly string[],
  properties: Readonly<Record<string, Literal | readonly Literal[] | undefined>>,
): string {
  const known = Object.entries({ a: types, ...properties })
    .map(([name, value]) => [name, value === undefined ? [] : [value].flat()] as const)
    .filter(([, values]) => values.length > 0)
  return `${PREFIXES}<> ${known.map(([name, values]) => `${name} ${values.join(', ')}`).join(' ;\n  ')} .\n`
}

const ESCAPES: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

export function text(value: string): Literal {
  // Characters that Turtle forbids in a short string, and those that would confuse a terminal.
  const escaped = value.replace(
    /["\\]|\p{Cc}/gu,
    (character) =>
      ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  )
  return `"${escaped}"`
}

/** For AFF4's own numbers, which its readers want typed. */
export function long(value: bigint | number): Literal {
  return `"${value}"^^xsd:long`
}

export function base64(value: Uint8Array): Literal {
  return `"${asBuffer(value).toString('base64')}"^^xsd:base64Binary`
}

/** @param time nanoseconds since the Unix epoch */
export const dateTime = (time: bigint): Literal => `"${formatTime(time)}"^^xsd:dateTime`

/** The properties that state facts, for `describe`. */
export const propertiesOf = (facts: Facts): Record<string, Literal> =>
  Object.fromEntries(
    factEntries(facts).map(([name, value]) => [FACTS[name].predicate, literalOf(name, value)]),
  )

function literalOf(name: FactName, value: string | bigint | Uint8Array): Literal {
  if (typeof value === 'string') return text(value)
  if (typeof value !== 'bigint') return base64(value)
  const { kind } = FACTS[name]
  if (kind === 'time') return dateTime(value)
  return kind === 'address' ? text(formatFact(name, value)) : long(value)
}
