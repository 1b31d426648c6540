import { MEMORY_TYPES } from '../../formats/image/facts.js'
import type { Image } from '../../formats/image/image.js'
import { describe, long, propertiesOf } from '../facts.js'

/** The Turtle of what an image tells besides its bytes. */
export function describeImage({ category, facts, size }: Image): string {
  const linear = category?.startsWith('disk:') ? { 'aff4:size': long(size) } : {}
  return describe(typesOf(category, facts.system), { ...propertiesOf(facts), ...linear })
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
      return [MEMORY_TYPES[system ?? ''] ?? 'aff4:Image']
  }
}
