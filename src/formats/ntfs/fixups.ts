/**
 * Multi-sector protection of MFT records, index blocks and log pages. Header: signature (4), u16 offset and u16 count
 * of the update sequence array. Its element 0 is the check value that stands in the last two bytes of each 512-byte
 * stride on disk, whatever the size of a sector; the elements behind hold what belongs there.
 */
export const STRIDE = 512

export interface Fixups {
  /** Strides, counted from 0, whose end does not bear the check value: torn by a write that did not finish. */
  readonly torn: readonly number[]
  /** What else is odd. */
  readonly complaints: readonly string[]
}

/**
 * Puts the words at the ends of strides back, in place; those of torn strides stay as they are.
 * @param bytes a private copy of the record as on disk: of whole strides, never undone before
 * @param smallestOffset where the array can begin at the earliest, behind the header
 * @returns undefined when the array cannot be where the header says, and nothing was touched
 */
export function undoFixups(bytes: Buffer, smallestOffset: number): Fixups | undefined {
  const offset = bytes.readUInt16LE(4)
  const count = bytes.readUInt16LE(6)
  if (offset % 2 !== 0 || offset < smallestOffset || count < 1 || offset + 2 * count > bytes.length)
    return undefined
  const strides = Math.floor(bytes.length / STRIDE)
  const protectedStrides = Math.min(count - 1, strides)
  const check = bytes.readUInt16LE(offset)
  const torn: number[] = []
  const complaints: string[] = []
  if (protectedStrides < strides)
    complaints.push(`only ${protectedStrides} of ${strides} sectors are protected against torn writes`)
  for (let stride = 0; stride < protectedStrides; stride++) {
    const end = (stride + 1) * STRIDE - 2
    if (bytes.readUInt16LE(end) !== check) torn.push(stride)
    else bytes.copy(bytes, end, offset + 2 + 2 * stride, offset + 4 + 2 * stride)
  }
  return { torn, complaints }
}
