/**
 * Lines as `hexdump -C` prints them: an offset, 16 bytes, the same as ASCII; of equal lines the first, and `*` for all
 * others; the offset behind the last byte at the end.
 */
const WIDTH = 16
const OFFSET_DIGITS = 8
/** Columns, counted from behind the offset: of each byte, then of the text between its bars. */
const BYTE_COLUMNS = Array.from({ length: WIDTH }, (_, index) => 2 + 3 * index + (index < 8 ? 0 : 1))
const TEXT_COLUMN = 53
const SPACE = 0x20
const BAR = 0x7c
const NEWLINE = 0x0a

const DIGITS = Buffer.from('0123456789abcdef')
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte >> 4]!)
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte & 15]!)
const PRINTED = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x2e))

export interface Hexdump {
  /** Lines of bytes that follow the last ones; what fills no line waits. At most a MiB. */
  bytes(offset: bigint, bytes: Buffer): string
  /** What is to be told in place of bytes at an offset, on a line of its own. */
  notice(offset: bigint, text: string): string
  /** What still waits, and the offset behind it all. */
  end(offset: bigint): string
}

export function createHexdump(): Hexdump {
  /** The line that is begun. */
  const begun = Buffer.alloc(WIDTH)
  let begunLength = 0
  let begunAt = 0
  /** The line before, while the next one may equal it. */
  const last = Buffer.alloc(WIDTH)
  let hasLast = false
  let squeezing = false

  function flush(): string {
    if (begunLength === 0) return ''
    const out = roomFor(1)
    const length = writeLine(out, 0, begunAt, begun, 0, begunLength)
    begunLength = 0
    return out.toString('latin1', 0, length)
  }

  function isRepeated(bytes: Buffer, at: number): boolean {
    if (!hasLast) return false
    for (let index = 0; index < WIDTH; index++) if (bytes[at + index] !== last[index]) return false
    return true
  }

  /** A whole line, unless it equals the one before. @returns where the next one begins in `out` */
  function put(out: Buffer, to: number, offset: number, bytes: Buffer, at: number): number {
    if (isRepeated(bytes, at)) {
      if (squeezing) return to
      squeezing = true
      return out.writeUInt16BE(0x2a0a, to)
    }
    squeezing = false
    hasLast = true
    bytes.copy(last, 0, at, at + WIDTH)
    return writeLine(out, to, offset, bytes, at, WIDTH)
  }

  const forget = () => {
    hasLast = false
    squeezing = false
  }

  return {
    bytes(offset, bytes) {
      const out = roomFor(Math.ceil(bytes.length / WIDTH) + 1)
      const start = Number(offset)
      let at = 0
      let to = 0
      if (begunLength > 0) {
        at = bytes.copy(begun, begunLength, 0, WIDTH - begunLength)
        begunLength += at
        if (begunLength < WIDTH) return ''
        to = put(out, to, begunAt, begun, 0)
        begunLength = 0
      }
      for (; at + WIDTH <= bytes.length; at += WIDTH) to = put(out, to, start + at, bytes, at)
      if (at < bytes.length) {
        begunAt = start + at
        begunLength = bytes.copy(begun, 0, at)
      }
      return out.toString('latin1', 0, to)
    },
    notice(offset, text) {
      const before = flush()
      forget()
      return `${before}${digitsOf(offset)}  ${text}\n`
    },
    end: (offset) => `${flush()}${digitsOf(offset)}\n`,
  }
}

const digitsOf = (offset: bigint | number) => offset.toString(16).padStart(OFFSET_DIGITS, '0')

/** Offsets beyond 32 bits have up to 14 digits. */
const LONGEST_LINE = 14 + TEXT_COLUMN + WIDTH + 2
const roomFor = (lines: number) => Buffer.allocUnsafe(lines * LONGEST_LINE)

function writeLine(
  out: Buffer,
  to: number,
  offset: number,
  bytes: Buffer,
  at: number,
  count: number,
): number {
  const line = to + out.write(digitsOf(offset), to, 'latin1')
  out.fill(SPACE, line, line + TEXT_COLUMN)
  out[line + TEXT_COLUMN - 1] = BAR
  for (let index = 0; index < count; index++) {
    const byte = bytes[at + index]!
    const column = line + BYTE_COLUMNS[index]!
    out[column] = HIGH[byte]!
    out[column + 1] = LOW[byte]!
    out[line + TEXT_COLUMN + index] = PRINTED[byte]!
  }
  out[line + TEXT_COLUMN + count] = BAR
  out[line + TEXT_COLUMN + count + 1] = NEWLINE
  return line + TEXT_COLUMN + count + 2
}
