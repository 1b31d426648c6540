import { byStart, firstIndex, type Run } from '../formats/address-space.js'
import { alignToPage, MAX_PROGRAM_HEADERS } from '../formats/elf/core-layout.js'
import { FormatError } from '../formats/format-error.js'
import { min } from '../formats/min-max.js'

/** Addresses whose bytes stand together in the file. */
export interface Placed extends Run {
  /** File offset minus address. */
  readonly shift: bigint
}

/** Which part of a core's file holds which addresses. */
export interface Segments {
  /**
   * Where the bytes from `address` on go, and how many of `length` go there.
   * @throws {FormatError} when there is no place for them
   */
  place(address: bigint, length: bigint): { offset: bigint; length: bigint }
  /** Ascending. */
  placed(): Placed[]
}

/** Places that were settled before the first byte. */
export function settledSegments(placed: Placed[]): Segments {
  let index = 0
  return {
    place(address, length) {
      const here = placed[index]
      if (!here || address < here.start || address >= here.start + here.length) index = find(placed, address)
      const { start, length: size, shift } = placed[index]!
      const left = start + size - address
      return { offset: address + shift, length: min(left, length) }
    },
    placed: () => placed,
  }
}

function find(placed: readonly Placed[], address: bigint): number {
  const index = firstIndex(placed.length, (other) => placed[other]!.start > address) - 1
  const found = placed[index]
  if (!found || address >= found.start + found.length)
    throw new FormatError(
      `address 0x${address.toString(16)} is in none of the ranges that its STREAM announces`,
    )
  return index
}

/** Places made as bytes come, one behind the other from the file offset `first` on. */
export function growingSegments(first: bigint): Segments {
  const placed: { start: bigint; length: bigint; shift: bigint }[] = []
  let end = first
  return {
    place(address, length) {
      const last = placed.at(-1)
      if (last && last.start + last.length === address) last.length += length
      else {
        if (placed.length + 1 >= MAX_PROGRAM_HEADERS)
          throw new FormatError(`more than ${placed.length} ranges, and an ELF core takes no more`)
        end = alignToPage(end)
        placed.push({ start: address, length, shift: end - address })
      }
      const offset = end
      end += length
      return { offset, length }
    },
    placed: () => placed.sort(byStart),
  }
}
