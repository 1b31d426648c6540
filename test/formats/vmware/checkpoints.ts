/** A tag: its name and indices, and a value of up to 61 bytes, or a block. */
export interface TestTag {
  readonly name: string
  readonly indices?: readonly number[]
  readonly value?: Buffer
  readonly block?: { readonly bytes: Buffer; readonly padding?: number; readonly compressed?: boolean }
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
export const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

/** Tags of the group `memory`, in pages. */
export const region = (index: number, ppn: number, pageNum: number, size: number): TestTag[] => [
  { name: 'regionPageNum', indices: [index], value: u32(pageNum) },
  { name: 'regionPPN', indices: [index], value: u32(ppn) },
  { name: 'regionSize', indices: [index], value: u32(size) },
]

export const regionsCount = (count: number): TestTag => ({ name: 'regionsCount', value: u32(count) })

/** A checkpoint with the given groups. */
export function checkpoint(groups: Readonly<Record<string, readonly TestTag[]>>, magic = 0xbed2bed2): Buffer {
  const names = Object.keys(groups)
  const bodies = names.map((name) =>
    Buffer.concat([...groups[name]!.map((tag) => encode(tag, magic)), Buffer.alloc(2)]),
  )
  let offset = 12 + 80 * names.length
  const table = names.map((name, i) => {
    const row = Buffer.alloc(80)
    row.write(name)
    row.writeBigUInt64LE(BigInt(offset), 64)
    row.writeBigUInt64LE(BigInt(bodies[i]!.length), 72)
    offset += bodies[i]!.length
    return row
  })
  return Buffer.concat([u32(magic), u32(8), u32(names.length), ...table, ...bodies])
}

function encode({ name, indices = [], value, block }: TestTag, magic: number): Buffer {
  const size = block ? (block.compressed ? 62 : 63) : value!.length
  const head = Buffer.concat([
    Buffer.from([(indices.length << 6) | size, name.length]),
    Buffer.from(name),
    ...indices.map(u32),
  ])
  if (!block) return Buffer.concat([head, value!])
  const { bytes, padding = 0 } = block
  const length = (magic & 0xf) === 0 ? u32(bytes.length) : u64(BigInt(bytes.length))
  return Buffer.concat([head, length, length, u32(padding).subarray(0, 2), Buffer.alloc(padding), bytes])
}
