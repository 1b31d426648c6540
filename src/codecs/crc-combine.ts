/** The polynomial of CRC-32 (ISO 3309), bits reversed, as ZIP and PNG have it. */
const POLYNOMIAL = 0xedb88320

/** Multiplies two polynomials modulo that of the CRC; the highest bit is x to the power of 0. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= b
    b = b & 1 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1
  }
  return product >>> 0
}

/** x to the power of 8 times 2 to the power of the index: what that many bytes of zeros do to a CRC. */
const POWERS: number[] = [0x00800000]
for (let index = 1; index < 48; index++) POWERS.push(multiply(POWERS[index - 1]!, POWERS[index - 1]!))

/**
 * The CRC-32 of bytes that were summed up in two parts.
 * @param length of the second part, below 2^48
 */
export function combineCrc(first: number, second: number, length: number): number {
  let crc = first
  for (let index = 0, left = length; left > 0; index++, left = Math.floor(left / 2))
    if (left % 2 === 1) crc = multiply(POWERS[index]!, crc)
  return (crc ^ second) >>> 0
}
