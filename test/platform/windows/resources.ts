/** One CM_PARTIAL_RESOURCE_DESCRIPTOR. */
export interface Resource {
  readonly type: number
  readonly flags: number
  readonly start: bigint
  readonly length: number
}

/** A CM_RESOURCE_LIST, one full descriptor for each list of resources. */
export function resourceList(lists: readonly (readonly Resource[])[], size: 16 | 20): Buffer {
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    return bytes
  }
  const partial = ({ type, flags, start, length }: Resource) => {
    const bytes = Buffer.alloc(size)
    bytes.writeUInt8(type, 0)
    bytes.writeUInt16LE(flags, 2)
    bytes.writeBigUInt64LE(start, 4)
    bytes.writeUInt32LE(length, 12)
    return bytes
  }
  const full = (resources: readonly Resource[]) => [
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 0, 1, 0]),
    u32(resources.length),
    ...resources.map(partial),
  ]
  return Buffer.concat([u32(lists.length), ...lists.flatMap(full)])
}
