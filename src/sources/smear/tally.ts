import type { Run } from '../../formats/address-space.js'
import type { Facts } from '../../formats/image/facts.js'
import { formatAddress } from '../../frames/address.js'

/** What became of a page of the sample. */
export type PageFate =
  | { readonly address: bigint; readonly fate: 'unreadable' }
  /** `age`: milliseconds between the two reads. */
  | { readonly address: bigint; readonly fate: 'same' | 'changed'; readonly age: number }

/** Pages that were compared, and how many of them had changed. */
export interface Share {
  readonly changed: number
  readonly compared: number
}

export interface Smear extends Share {
  readonly seed: number
  /** Pages that could not be read, the first time or again. */
  readonly unreadable: number
  /** Those in which pages were compared, ascending. */
  readonly byRange: readonly (Share & Run)[]
  readonly byAge: readonly (Share & Age)[]
}

/** Times between two reads. */
interface Age {
  /** The last one has no end. */
  readonly name: string
  /** In words. */
  readonly words: string
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const AGES: readonly (Age & { readonly below: number })[] = [
  { below: SECOND, name: '0s-1s', words: 'under 1 s' },
  { below: 10 * SECOND, name: '1s-10s', words: '1 s to 10 s' },
  { below: MINUTE, name: '10s-1min', words: '10 s to 1 min' },
  { below: 10 * MINUTE, name: '1min-10min', words: '1 min to 10 min' },
  { below: HOUR, name: '10min-1h', words: '10 min to 1 h' },
  { below: Number.POSITIVE_INFINITY, name: '1h-', words: 'over 1 h' },
]

/** @param ranges in which the pages are, ascending */
export function tallySmear(fates: readonly PageFate[], ranges: Iterable<Run>, seed: number): Smear {
  const compared = fates.filter((page) => page.fate !== 'unreadable')
  return {
    ...shareOf(compared),
    seed,
    unreadable: fates.length - compared.length,
    byRange: [...splitByRange(compared, ranges)],
    byAge: AGES.map(({ below, ...age }, index) => {
      const from = AGES[index - 1]?.below ?? 0
      return { ...age, ...shareOf(compared.filter(({ age }) => age >= from && age < below)) }
    }).filter(isOfPages),
  }
}

function* splitByRange<P extends PageFate>(
  pages: readonly P[],
  ranges: Iterable<Run>,
): Generator<Share & Run> {
  let next = 0
  for (const { start, length } of ranges) {
    const first = next
    while (next < pages.length && pages[next]!.address < start + length) next++
    if (next > first) yield { start, length, ...shareOf(pages.slice(first, next)) }
  }
}

const isOfPages = ({ compared }: Share): boolean => compared > 0

const shareOf = (pages: readonly PageFate[]): Share => ({
  changed: pages.filter(({ fate }) => fate === 'changed').length,
  compared: pages.length,
})

/** Quantile of the normal distribution for 95 %. */
const Z = 1.959964

/**
 * Where the share of all pages lies with 95 % confidence, by a sample of them (Wilson, Journal of the American
 * Statistical Association 22, 1927).
 */
export function interval({ changed, compared }: Share): readonly [from: number, to: number] {
  const share = changed / compared
  const z2 = (Z * Z) / compared
  const middle = share + z2 / 2
  const spread = Z * Math.sqrt((share * (1 - share)) / compared + z2 / compared / 4)
  return [Math.max(0, (middle - spread) / (1 + z2)), Math.min(1, (middle + spread) / (1 + z2))]
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

/** As facts of the stream. */
export function smearFacts(smear: Smear): Facts {
  const { changed, compared, unreadable, seed, byRange, byAge } = smear
  const [from, to] = interval(smear).map(tight)
  const share =
    compared > 0 ? [`share=${tight(changed / compared)}`, `from=${from}`, `to=${to}`, 'confidence=95%'] : []
  const list = (shares: readonly (readonly [name: string, share: Share])[]) =>
    shares.length > 0
      ? shares.map(([name, { changed, compared }]) => `${name}=${changed}/${compared}`).join(' ')
      : undefined
  return {
    smear: [
      `changed=${changed}`,
      `compared=${compared}`,
      `unreadable=${unreadable}`,
      ...share,
      `seed=${seed}`,
    ].join(' '),
    smearByAge: list(byAge.map((share) => [share.name, share])),
    smearByRange: list(byRange.map((share) => [nameOf(share), share])),
  }
}

const tight = (share: number): string => percent(share).replace(' ', '')
const nameOf = ({ start, length }: Run) => `${formatAddress(start)}-${formatAddress(start + length)}`

/** For people: the whole and what it depends on, then each range. */
export function smearWords(smear: Smear): { readonly summary: string[]; readonly ranges: string[] } {
  const { changed, compared, unreadable, seed, byAge, byRange } = smear
  const lost = unreadable > 0 ? `, ${unreadable} could not be read both times` : ''
  if (compared === 0) return { summary: [`smear: no page could be read again (seed ${seed})`], ranges: [] }
  const [from, to] = interval(smear).map(percent)
  const of = (share: Share) => `${share.changed} of ${share.compared}`
  return {
    summary: [
      `smear: ${changed} of ${compared} pages changed before they were read again${lost}: ${percent(changed / compared)} (95 % confidence: ${from} to ${to}; seed ${seed})`,
      `smear by time between the reads: ${byAge.map((share) => `${share.words} ${of(share)}`).join(', ')}`,
    ],
    ranges: byRange.map((share) => `smear of ${nameOf(share)}: ${of(share)}`),
  }
}
