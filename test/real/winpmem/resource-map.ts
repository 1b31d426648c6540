const CM_RESOURCE_TYPE_MEMORY = 3
/** Count; then InterfaceType, BusNumber, Version and Revision, and the count of descriptors. */
const HEAD = { SIZE: 20, LISTS: 0, COUNT: 16 } as const
/** CM_PARTIAL_RESOURCE_DESCRIPTOR, packed. */
const DESCRIPTOR = { SIZE: 20, TYPE: 0, START: 4, LENGTH: 12 } as const

/** What Windows has in its registry where memory has these ranges: a CM_RESOURCE_LIST of one list. */
export function resourceMap(ranges: readonly (readonly [start: string, length: string])[]): Buffer {
  const map = Buffer.alloc(HEAD.SIZE + ranges.length * DESCRIPTOR.SIZE)
  map.writeUInt32LE(1, HEAD.LISTS)
  map.writeUInt32LE(ranges.length, HEAD.COUNT)
  for (const [index, [start, length]] of ranges.entries()) {
    const at = HEAD.SIZE + index * DESCRIPTOR.SIZE
    map.writeUInt8(CM_RESOURCE_TYPE_MEMORY, at + DESCRIPTOR.TYPE)
    map.writeBigUInt64LE(BigInt(start), at + DESCRIPTOR.START)
    map.writeUInt32LE(Number(length), at + DESCRIPTOR.LENGTH)
  }
  return map
}
