/** Bytes that are copied at once: as long as most matches, so that the loop is left where the processor expects it. */
const WIDE = 16

/**
 * Repeats from `out` to `end` what begins at `from`, a match of Lempel-Ziv.
 * @param room where bytes begin that must not change; those between `end` and it may
 */
export function copyMatch(target: DataView, from: number, out: number, end: number, room: number): void {
  if (end + WIDE > room) {
    while (out < end) target.setUint8(out++, target.getUint8(from++))
    return
  }
  if (out - from < 4) {
    // What repeats after 1, 2 or 3 bytes does after 4, 4 or 6 as well.
    const first = from
    const ahead = out - from === 2 ? out + 2 : out + 3
    while (out < ahead) target.setUint8(out++, target.getUint8(from++))
    from = first
  }
  do {
    target.setInt32(out, target.getInt32(from))
    target.setInt32(out + 4, target.getInt32(from + 4))
    target.setInt32(out + 8, target.getInt32(from + 8))
    target.setInt32(out + 12, target.getInt32(from + 12))
    out += WIDE
    from += WIDE
  } while (out < end)
}
