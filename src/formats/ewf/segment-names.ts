/** What the extensions of a set begin with: physical evidence, SMART, logical evidence, and both of EWF2. */
export const SERIES = ['E', 'S', 'L', 'Ex', 'Lx'] as const
export type Series = (typeof SERIES)[number]

/** Segments up to here have digits, those behind letters. */
const NUMBERED = 99
const LETTERS = 26

/**
 * The extension of a segment: `E01` to `E99`, `EAA` to `EZZ`, `FAA` to `ZZZ`, others alike; `Ex01` to `Ex99`, `ExAA`
 * to `EzZZ`.
 * @param number from 1 on
 * @returns undefined where there are no more
 */
export function segmentExtension(series: Series, number: number): string | undefined {
  if (number <= NUMBERED) return `${series}${String(number).padStart(2, '0')}`
  const place = number - NUMBERED - 1
  const last = series.at(-1)!
  const moved = String.fromCharCode(last.charCodeAt(0) + Math.floor(place / LETTERS ** 2))
  if (moved > (last < 'a' ? 'Z' : 'z')) return undefined
  const letter = (index: number) => String.fromCharCode(65 + (index % LETTERS))
  return series.slice(0, -1) + moved + letter(Math.floor(place / LETTERS)) + letter(place)
}

/**
 * Which series a name belongs to, in any case.
 * @param number of the segment that has this name
 * @returns undefined where no series gives it that extension
 */
export function seriesOf(
  name: string,
  number: number,
): { readonly stem: string; readonly series: Series } | undefined {
  const dot = name.lastIndexOf('.')
  const extension = name.slice(dot + 1).toLowerCase()
  const series = SERIES.find((one) => segmentExtension(one, number)?.toLowerCase() === extension)
  return dot >= 0 && series ? { stem: name.slice(0, dot), series } : undefined
}

/**
 * The name of a segment of the set whose first one has the name `first`, with or without folders.
 * @returns undefined where names end before, or `first` is not the name of a first segment
 */
export function segmentName(first: string, number: number): string | undefined {
  const found = seriesOf(first, 1)
  const extension = found && segmentExtension(found.series, number)
  if (!found || extension === undefined) return undefined
  const given = first.slice(found.stem.length + 1)
  return `${found.stem}.${given === given.toLowerCase() ? extension.toLowerCase() : extension}`
}
