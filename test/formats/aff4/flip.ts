import type { Member } from '../../../src/formats/aff4/container.js'

/** Flips a bit in place: twice, and nothing has changed. */
export function flipBit(bytes: Uint8Array, at: number, bit = 0): void {
  bytes[at]! ^= 1 << bit
}

/** Where the data of a member begin, in volumes whose local headers have no extra fields. */
export const dataStart = ({ headerOffset, name }: Pick<Member, 'headerOffset' | 'name'>): number =>
  Number(headerOffset) + 30 + Buffer.byteLength(name)
