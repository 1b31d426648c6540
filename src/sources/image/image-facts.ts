import { FACTS, factEntries, formatFact } from '../../formats/image/facts.js'
import type { Image } from '../../formats/image/image.js'
import { base64, dateTime, describe, type Literal, long, text } from '../facts.js'

const TYPES: Readonly<Record<string, string>> = {
  Linux: 'pmem:LinuxMemory',
  Windows: 'pmem:WindowsMemory',
  macOS: 'pmem:MacMemory',
}

/** The Turtle of what an image tells besides its bytes. */
export function describeImage({ category, facts, size }: Image): string {
  const properties: Record<string, Literal> = {}
  for (const [name, value] of factEntries(facts)) properties[FACTS[name].predicate] = literalOf(name, value)
  if (category?.startsWith('disk:')) properties['aff4:size'] = long(size)
  return describe(typesOf(category, facts.system), properties)
}

function typesOf(category: Image['category'], system: string | undefined): string[] {
  switch (category) {
    case 'disk:physical':
      return ['aff4:DiskImage', 'aff4:ContiguousImage', 'aff4:Image']
    case 'disk:logical':
      return ['aff4:VolumeImage', 'aff4:ContiguousImage', 'aff4:Image']
    case 'memory:virtual':
      return ['pmem:ProcessMemory']
    default:
      return [TYPES[system ?? ''] ?? 'aff4:Image']
  }
}

function literalOf(name: keyof typeof FACTS, value: string | bigint | Uint8Array): Literal {
  if (typeof value === 'string') return text(value)
  if (typeof value !== 'bigint') return base64(value)
  const { kind } = FACTS[name]
  if (kind === 'time') return dateTime(value)
  return kind === 'address' ? text(formatFact(name, value)) : long(value)
}
