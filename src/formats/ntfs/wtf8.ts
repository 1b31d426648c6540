const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * A name of NTFS as bytes, as drivers on Linux show it: UTF-8, and a surrogate without its partner as if it were a
 * character (WTF-8). Names that differ stay different.
 */
export function encodeWtf8(name: string): Buffer {
  if (!LONE_SURROGATE.test(name)) return Buffer.from(name, 'utf8')
  return Buffer.concat(Array.from(name, (character) => encodeCharacter(character)))
}

function encodeCharacter(character: string): Buffer {
  const point = character.codePointAt(0)!
  if (point < 0xd800 || point > 0xdfff) return Buffer.from(character, 'utf8')
  return Buffer.from([0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f)])
}
