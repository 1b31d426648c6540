/** Pieces of migration streams, as QEMU writes them. */

export const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
export function u64(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
export const named = (name: string): Buffer => Buffer.concat([Buffer.from([name.length]), Buffer.from(name)])

export const header = (machine = 'pc-i440fx-7.2', version = 3): Buffer =>
  Buffer.concat([
    Buffer.from('QEVM'),
    u32(version),
    Buffer.from([7]),
    u32(machine.length),
    Buffer.from(machine),
  ])

const RAM_ID = 2
const FOOTER = Buffer.concat([Buffer.from([0x7e]), u32(RAM_ID)])
export const END_OF_ITEMS = u64(0x10)

export const section = (type: 1 | 4, name: string, id = RAM_ID, version = 4): Buffer =>
  Buffer.concat([Buffer.from([type]), u32(id), named(name), u32(0), u32(version)])

export const start = (blocks: Readonly<Record<string, bigint | number>>): Buffer => {
  const total = Object.values(blocks).reduce((sum: bigint, size) => sum + BigInt(size), 0n)
  const list = Object.entries(blocks).map(([name, size]) => Buffer.concat([named(name), u64(size)]))
  return Buffer.concat([section(1, 'ram'), u64(total | 4n), ...list, END_OF_ITEMS, FOOTER])
}
export const part = (...items: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([2]), u32(RAM_ID), ...items, END_OF_ITEMS, FOOTER])
export const end = (...items: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([3]), u32(RAM_ID), ...items, END_OF_ITEMS, FOOTER])

/** An item of memory: what follows its flags; without a name it goes on in the block before. */
export const item = (
  offset: bigint | number,
  flag: number,
  block: string | undefined,
  data: Buffer,
): Buffer =>
  block === undefined
    ? Buffer.concat([u64(BigInt(offset) | BigInt(flag | 0x20)), data])
    : Buffer.concat([u64(BigInt(offset) | BigInt(flag)), named(block), data])

export const page = (fill: number | string): Buffer => Buffer.alloc(0x1000, fill)
export const whole = (offset: bigint | number, fill: number | string, block?: string) =>
  item(offset, 0x08, block, page(fill))
export const filled = (offset: bigint | number, byte: number, block?: string) =>
  item(offset, 0x02, block, Buffer.from([byte]))
