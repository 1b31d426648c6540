const ZEROS = Buffer.alloc(1 << 16)

/** Whether every byte is zero: compared natively against a block of zeros, stopping at the first difference. */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const end = Math.min(at + ZEROS.length, bytes.length)
    if (ZEROS.compare(bytes, at, end, 0, end - at) !== 0) return false
  }
  return true
}
