/** Names, each kept once, by their numbers. */
export interface InternedNames {
  readonly count: number
  /** What they take in memory, about. */
  readonly byteLength: number
  /** Of a name that gets one if it has none. Numbers count from 0. */
  number(name: string): number
  find(name: string): number | undefined
  name(number: number): string
  all(): Iterable<string>
}

/** What a name takes besides its characters. */
const NAME_BYTES = 256

export function createInternedNames(): InternedNames {
  const numbers = new Map<string, number>()
  const names: string[] = []
  let byteLength = 0
  return {
    get count() {
      return names.length
    },
    get byteLength() {
      return byteLength
    },
    number(name) {
      const known = numbers.get(name)
      if (known !== undefined) return known
      const own = copyOf(name)
      numbers.set(own, names.length)
      byteLength += NAME_BYTES + own.length
      return names.push(own) - 1
    },
    find: (name) => numbers.get(name),
    name: (number) => names[number]!,
    all: () => numbers.keys(),
  }
}

/** A string that was cut out of a larger one keeps all of that in memory. */
function copyOf(name: string): string {
  const encoding = isAscii(name) ? 'latin1' : 'utf16le'
  return Buffer.from(name, encoding).toString(encoding)
}

export const isAscii = (text: string): boolean => Buffer.byteLength(text, 'utf8') === text.length
