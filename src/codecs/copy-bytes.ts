/**
 * Copies bytes; the two must not overlap. `set` and `copy` move shared memory byte by byte as other threads may
 * watch, at 2 GB/s; this is a memcpy, at 6 GB/s.
 */
export function copyBytes(target: Buffer, at: number, bytes: Uint8Array): void {
  target.fill(bytes, at, at + bytes.length)
}
