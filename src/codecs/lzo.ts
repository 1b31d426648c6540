import { CodecError, tooLong } from './codec-error.js'

// LZO1X (Documentation/staging/lzo.rst in Linux): instructions of a byte and what follows it, each a run of literals
// or a match behind which up to three literals follow. How many followed the last match, or that a run of literals
// went before (4), says what an instruction below 16 means.

const AFTER_RUN = 4
/** What the distance of the instruction that ends the stream says. */
const END_DISTANCE = 16384

/**
 * Decodes LZO1X, as lzo1x_1 and lzo1x_999 write it.
 * @param into receives at most its length, which must not overlap `stored`
 * @returns how many bytes there were
 * @throws {CodecError} when `stored` is damaged, holds more, or something follows
 */
export function lzo1xDecode(stored: Uint8Array, into: Uint8Array): number {
  let at = 0
  let done = 0
  let state = 0

  function next(): number {
    if (at >= stored.length) throw damaged('it ends within an instruction')
    return stored[at++]!
  }

  /** A length that `bits` do not hold: a zero there, and for each 255 a zero byte. */
  function longer(short: number, bits: number): number {
    if (short > 0) return short
    let length = bits
    let byte = next()
    for (; byte === 0; byte = next()) {
      length += 255
      if (length > into.length) throw new CodecError('lzo', tooLong(into.length))
    }
    return length + byte
  }

  function literals(count: number): void {
    if (at + count > stored.length) throw damaged('it ends within literals')
    if (done + count > into.length) throw new CodecError('lzo', tooLong(into.length))
    if (count < 16) for (let i = 0; i < count; i++) into[done + i] = stored[at + i]!
    else into.set(stored.subarray(at, at + count), done)
    at += count
    done += count
  }

  function match(distance: number, length: number, following: number): void {
    if (distance > done) throw damaged('a match lies before the first byte')
    if (done + length > into.length) throw new CodecError('lzo', tooLong(into.length))
    const from = done - distance
    if (length >= 32 && distance >= length) into.copyWithin(done, from, from + length)
    else for (let i = 0; i < length; i++) into[done + i] = into[from + i]!
    done += length
    state = following
    if (following > 0) literals(following)
  }

  if (stored.length > 0 && stored[0]! > 17) {
    const count = next() - 17
    literals(count)
    state = Math.min(count, AFTER_RUN)
  }
  for (;;) {
    const code = next()
    if (code >= 64) {
      const length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1)
      match((next() << 3) + ((code >> 2) & 7) + 1, length, code & 3)
    } else if (code >= 32) {
      const length = 2 + longer(code & 31, 31)
      const pair = next() | (next() << 8)
      match((pair >> 2) + 1, length, pair & 3)
    } else if (code >= 16) {
      const length = 2 + longer(code & 7, 7)
      const pair = next() | (next() << 8)
      const distance = END_DISTANCE + ((code & 8) << 11) + (pair >> 2)
      if (distance === END_DISTANCE) {
        if (at < stored.length) throw damaged(`${stored.length - at} bytes follow`)
        return done
      }
      match(distance, length, pair & 3)
    } else if (state === 0) {
      literals(3 + longer(code, 15))
      state = AFTER_RUN
    } else if (state === AFTER_RUN) match((next() << 2) + (code >> 2) + 2049, 3, code & 3)
    else match((next() << 2) + (code >> 2) + 1, 2, code & 3)
  }
}

const damaged = (why: string) => new CodecError('lzo', `damaged: ${why}`)
