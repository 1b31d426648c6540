/** Names of bits, lowest first; a bit that has none in `names` is given as its value in hexadecimal. */
export function bitNames(bits: number, names: ReadonlyMap<number, string>): string[] {
  const words: string[] = []
  for (let bit = 0; bit < 32; bit++) {
    const value = 2 ** bit
    if (Math.floor(bits / value) % 2 === 1) words.push(names.get(value) ?? `0x${value.toString(16)}`)
  }
  return words
}
