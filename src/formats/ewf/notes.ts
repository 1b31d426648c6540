/** What pmem notes behind the notes of an examiner, since EWF has no place for it. */
export interface NotedFacts {
  /** Bytes of the media, where the last sector was filled up. */
  readonly length?: bigint
  /** Lower-case hexadecimal, of those bytes. */
  readonly sha256?: string
}

const NOTED = /(?:^| )\[pmem:((?: [a-z0-9]+=[0-9a-f]+)+)\]$/

/** Notes with facts behind them: `as found [pmem: length=1000 sha256=…]`. */
export function encodeNotes(notes: string, { length, sha256 }: NotedFacts): string {
  const facts = [
    ...(length === undefined ? [] : [`length=${length}`]),
    ...(sha256 === undefined ? [] : [`sha256=${sha256}`]),
  ]
  if (facts.length === 0) return notes
  return `${notes}${notes === '' ? '' : ' '}[pmem: ${facts.join(' ')}]`
}

/** Parts notes and facts. */
export function decodeNotes(written: string): { readonly notes: string; readonly facts: NotedFacts } {
  const match = NOTED.exec(written)
  if (!match) return { notes: written, facts: {} }
  const noted = new Map(
    match[1]!
      .trim()
      .split(' ')
      .map((fact) => fact.split('=') as [string, string]),
  )
  const length = noted.get('length')
  const sha256 = noted.get('sha256')
  return {
    notes: written.slice(0, match.index),
    facts: {
      ...(length !== undefined && /^\d{1,19}$/.test(length) && { length: BigInt(length) }),
      ...(sha256?.length === 64 && { sha256 }),
    },
  }
}
