import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'

// makedumpfile's diskdump_mod.h (struct disk_dump_header, struct kdump_sub_header, page_desc_t), as the C compiler of
// the dumped machine lays them out: long is its word, and where 8 bytes are aligned differs among 32-bit machines.

type Field = 'int' | 'long' | 'long long' | { readonly chars: number }
type Fields = Readonly<Record<string, Field>>
type Values<F extends Fields> = {
  -readonly [N in keyof F]: F[N] extends { readonly chars: number } ? string : bigint
}

const NAME: Field = { chars: 65 }

/** Block 0. */
export const HEADER = {
  signature: { chars: 8 },
  header_version: 'int',
  sysname: NAME,
  nodename: NAME,
  release: NAME,
  version: NAME,
  machine: NAME,
  domainname: NAME,
  tv_sec: 'long',
  tv_usec: 'long',
  status: 'int',
  block_size: 'int',
  sub_hdr_size: 'int',
  bitmap_blocks: 'int',
  max_mapnr: 'int',
  total_ram_blocks: 'int',
  device_blocks: 'int',
  written_blocks: 'int',
  current_cpu: 'int',
  nr_cpus: 'int',
} as const satisfies Fields
export type Header = Values<typeof HEADER>

/** Block 1. */
export const SUB_HEADER = {
  phys_base: 'long',
  dump_level: 'int',
  split: 'int',
  start_pfn: 'long',
  end_pfn: 'long',
  offset_vmcoreinfo: 'long long',
  size_vmcoreinfo: 'long',
  offset_note: 'long long',
  size_note: 'long',
  offset_eraseinfo: 'long long',
  size_eraseinfo: 'long',
  start_pfn_64: 'long long',
  end_pfn_64: 'long long',
  max_mapnr_64: 'long long',
} as const satisfies Fields
export type SubHeader = Values<typeof SUB_HEADER>

/** The header_version from which on the fields of the sub header are there. */
export const SINCE: { readonly [N in keyof SubHeader]: number } = {
  phys_base: 1,
  dump_level: 1,
  split: 2,
  start_pfn: 2,
  end_pfn: 2,
  offset_vmcoreinfo: 3,
  size_vmcoreinfo: 3,
  offset_note: 4,
  size_note: 4,
  offset_eraseinfo: 5,
  size_eraseinfo: 5,
  start_pfn_64: 6,
  end_pfn_64: 6,
  max_mapnr_64: 6,
}

export const SIGNATURE = 'KDUMP   '
export const VERSION = 6

/** Bits of `status`; those of the codecs stand in `flags` of a page descriptor, too. */
export const ZLIB = 0x1
export const LZO = 0x2
export const SNAPPY = 0x4
export const INCOMPLETE = 0x8
export const EXCLUDED_VMEMMAP = 0x10
export const ZSTD = 0x20

/** How the machine lays out its structures. */
export interface Model {
  readonly bits: 32 | 64
  readonly littleEndian: boolean
  /** Where a `long long` may stand: 4 on i386. */
  readonly align: 4 | 8
}
export const LP64: Model = { bits: 64, littleEndian: true, align: 8 }

const sizeOf = (field: Field, { bits }: Model): number => {
  if (typeof field === 'object') return field.chars
  if (field === 'int') return 4
  return field === 'long' ? bits / 8 : 8
}

const alignmentOf = (field: Field, model: Model): number => {
  if (typeof field === 'object') return 1
  return field === 'long long' ? model.align : sizeOf(field, model)
}

interface Placed {
  readonly name: string
  readonly field: Field
  readonly offset: number
  readonly size: number
}

function* place(fields: Fields, model: Model): Generator<Placed> {
  let end = 0
  for (const [name, field] of Object.entries(fields)) {
    const size = sizeOf(field, model)
    const alignment = alignmentOf(field, model)
    const offset = Math.ceil(end / alignment) * alignment
    end = offset + size
    yield { name, field, offset, size }
  }
}

/** Bytes up to the end of the last field. */
export function structSize(fields: Fields, model: Model): number {
  let end = 0
  for (const { offset, size } of place(fields, model)) end = offset + size
  return end
}

/** Where a field stands. */
export function offsetOf<F extends Fields>(fields: F, name: keyof F & string, model: Model): number {
  for (const placed of place(fields, model)) if (placed.name === name) return placed.offset
  throw new RangeError(name)
}

/** @param bytes at least `structSize` @returns integers unsigned, text up to its NUL */
export function decodeStruct<F extends Fields>(fields: F, bytes: Bytes, model: Model): Values<F> {
  const buffer = asBuffer(bytes)
  const values: Record<string, bigint | string> = {}
  for (const { name, field, offset, size } of place(fields, model)) {
    if (typeof field === 'object')
      values[name] = buffer.toString('latin1', offset, offset + size).replace(/\0.*$/s, '')
    else if (size === 4)
      values[name] = BigInt(model.littleEndian ? buffer.readUInt32LE(offset) : buffer.readUInt32BE(offset))
    else values[name] = model.littleEndian ? buffer.readBigUInt64LE(offset) : buffer.readBigUInt64BE(offset)
  }
  return values as Values<F>
}

/** Integers are cut to their size, text to what leaves room for a NUL where it has more than 8 bytes. */
export function encodeStruct<F extends Fields>(fields: F, values: Values<F>, model: Model): Bytes {
  const bytes = Buffer.alloc(structSize(fields, model))
  for (const { name, field, offset, size } of place(fields, model)) {
    const value = values[name] as bigint | string
    if (typeof value === 'string') {
      const room = typeof field === 'object' && size > SIGNATURE.length ? size - 1 : size
      bytes.write(value, offset, room, 'latin1')
    } else if (size === 4) {
      const integer = Number(BigInt.asUintN(32, value))
      if (model.littleEndian) bytes.writeUInt32LE(integer, offset)
      else bytes.writeUInt32BE(integer, offset)
    } else if (model.littleEndian) bytes.writeBigUInt64LE(BigInt.asUintN(64, value), offset)
    else bytes.writeBigUInt64BE(BigInt.asUintN(64, value), offset)
  }
  return bytes
}

/** Bytes of a page descriptor: i64 offset, u32 size, u32 flags, u64 page_flags. */
export const DESCRIPTOR_SIZE = 24
