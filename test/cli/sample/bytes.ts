/** What sample-source sends: each 32-bit word is its address, mixed: no two neighbours are alike, no header is among them. */
export function bytesAt(address: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4)
    bytes.writeUInt32LE(Math.imul(address + at, 0x9e3779b1) >>> 0, at)
  return bytes
}
