import type { Container, Member } from '../../../src/formats/aff4/container.js'
import { bufferSource } from '../buffer-source.js'

/** A volume's members as they stand in a test, without a ZIP file around them. */
export function memoryContainer(contents: Record<string, Buffer | string>): Container {
  const bytes = new Map(Object.entries(contents).map(([name, content]) => [name, Buffer.from(content)]))
  const members = new Map<string, Member>(
    [...bytes].map(([name, { length }]) => {
      const size = BigInt(length)
      return [name, { name, size, compressedSize: size, crc: undefined, method: 0, headerOffset: 0n }]
    }),
  )
  return {
    name: 'memory',
    members,
    comment: '',
    open: async ({ name }) => bufferSource(bytes.get(name)!, name),
    read: async ({ name }) => bytes.get(name)!,
  }
}
