import { asBuffer } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'

/** From here on a 32-bit field says 0xFFFFFFFF and the value stands in the zip64 extra field. */
export const LIMIT_32 = 0xffffffffn
const ZIP64 = 1

/** Zip64 extended information (APPNOTE 6.3.10 §4.5.3): id 1, length, then 64-bit values. */
export function zip64Extra(...values: bigint[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length)
  extra.writeUInt16LE(ZIP64, 0)
  extra.writeUInt16LE(8 * values.length, 2)
  for (const [index, value] of values.entries()) extra.writeBigUInt64LE(value, 4 + 8 * index)
  return extra
}

/**
 * The real values of 32-bit fields: those that say 0xFFFFFFFF stand in the zip64 extra field, in this order.
 * Some writers repeat the others there as well, which the length of the field tells.
 * @throws {FormatError} at `at` when the field is missing or too short
 */
export function readZip64(extra: Bytes, fields: readonly number[], at: bigint): bigint[] {
  const missing = fields.filter((value) => value === 0xffffffff).length
  if (missing === 0) return fields.map(BigInt)
  const view = asBuffer(extra)
  for (let start = 0; start + 4 <= view.length; ) {
    const id = view.readUInt16LE(start)
    const length = view.readUInt16LE(start + 2)
    let next = start + 4
    start = next + length
    if (id !== ZIP64) continue
    if (start > view.length || length < 8 * missing) break
    const all = length >= 8 * fields.length
    return fields.map((value) => {
      const stands = value === 0xffffffff
      const here = next
      if (stands || all) next += 8
      return stands ? view.readBigUInt64LE(here) : BigInt(value)
    })
  }
  throw new FormatError('zip: a zip64 field is missing', at)
}
