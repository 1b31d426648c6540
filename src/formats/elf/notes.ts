import { asBuffer, asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { ELF64_LSB, type Encoding } from './structs.js'

// System V ABI, chapter 5 (note section): u32 namesz with the NUL, u32 descsz, u32 type, then name and
// descriptor, each padded to 4 bytes (8 where the segment's p_align is 8).

const HEADER = 12
const MAX_NOTES = 2 ** 20

export interface ElfNote {
  /** Without its NUL. */
  readonly name: string
  readonly type: number
  readonly desc: Bytes
}

const padded = (size: number, align: number): number => Math.ceil(size / align) * align

/**
 * The notes of one PT_NOTE segment; each `desc` is a view of `bytes`. `align` is the segment's p_align.
 * @throws {FormatError} at the offset in `bytes` of a note that runs past their end
 */
export function decodeNotes(bytes: Bytes, encoding: Encoding = ELF64_LSB, align = 4): ElfNote[] {
  const view = asDataView(bytes)
  const unit = align === 8 ? 8 : 4
  const notes: ElfNote[] = []
  let at = 0
  while (bytes.length - at >= HEADER) {
    const [nameSize, descSize, type] = [0, 4, 8].map((field) =>
      view.getUint32(at + field, encoding.littleEndian),
    ) as [number, number, number]
    if (nameSize === 0 && descSize === 0) break // zero padding, not a note
    if (notes.length === MAX_NOTES) throw new FormatError(`more than ${MAX_NOTES} notes`, BigInt(at))
    const descAt = padded(at + HEADER + nameSize, unit)
    const descEnd = descAt + descSize
    if (descEnd > bytes.length) throw new FormatError('a note runs past its segment', BigInt(at))
    const name = asBuffer(bytes).toString('latin1', at + HEADER, at + HEADER + nameSize)
    notes.push({ name: name.replace(/\0.*$/s, ''), type, desc: bytes.subarray(descAt, descEnd) })
    at = padded(descEnd, unit)
  }
  return notes
}

/** Notes as the content of a PT_NOTE segment of p_align 4. Names are ASCII. */
export function encodeNotes(notes: readonly ElfNote[]): Bytes {
  const sizes = notes.map((note) => HEADER + padded(note.name.length + 1, 4) + padded(note.desc.length, 4))
  const bytes = new Uint8Array(sizes.reduce((total, size) => total + size, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [i, { name, type, desc }] of notes.entries()) {
    view.setUint32(at, name.length + 1, true)
    view.setUint32(at + 4, desc.length, true)
    view.setUint32(at + 8, type, true)
    bytes.set(Buffer.from(name, 'latin1'), at + HEADER)
    bytes.set(desc, at + HEADER + padded(name.length + 1, 4))
    at += sizes[i]!
  }
  return bytes
}
