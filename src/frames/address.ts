/** Numbers of address size in JSON payloads are strings: a double holds no address above 2^53. */
export function formatAddress(address: bigint): string {
  return `0x${address.toString(16)}`
}

/**
 * Reads what formatAddress wrote.
 * @throws {RangeError} when the text is not `0x` and one to sixteen hexadecimal digits
 */
export function parseAddress(text: unknown): bigint {
  if (typeof text !== 'string' || !/^0x[0-9a-f]{1,16}$/i.test(text))
    throw new RangeError(`not an address: ${JSON.stringify(text)}`)
  return BigInt(text)
}
