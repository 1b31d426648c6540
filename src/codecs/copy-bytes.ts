/**
 * Copies bytes; the two must not overlap. `set` and `copy` move shared memory byte by byte as other threads may
 * watch, at 2 GB/s; this is a memcpy, at 6 GB/s.
 */
export function copyBytes(target: Buffer, at: number, bytes: Uint8Array): void {
  target.fill(bytes, at, at + bytes.length)
}

/** Puts what was read to its place, unless it was read there. */
export function settleBytes(place: Uint8Array, bytes: Uint8Array): void {
  if (bytes.buffer !== place.buffer || bytes.byteOffset !== place.byteOffset) place.set(bytes)
}
