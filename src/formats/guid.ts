const SIZE = 16

/** A GUID of 16 bytes as Windows stores it, its first three parts little-endian, in lower case without braces. */
export function formatGuid(bytes: Buffer, at = 0): string {
  const tail = bytes.toString('hex', at + 8, at + SIZE)
  return [
    hex(bytes.readUInt32LE(at), 8),
    hex(bytes.readUInt16LE(at + 4), 4),
    hex(bytes.readUInt16LE(at + 6), 4),
    tail.slice(0, 4),
    tail.slice(4),
  ].join('-')
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
