/** What the extensions of a set begin with: physical evidence, SMART, logical evidence, and both of EWF2. */
export const SERIES = ['E', 'S', 'L', 'Ex', 'Lx'] as const
export type Series = (typeof SERIES)[number]

/** Segments up to here have digits, those behind letters. */
export const NUMBERED = 99
const LETTERS = 26

/**
 * The extension of a segment: `E01` to `E99`, `EAA` to `EZZ`, `FAA` to `ZZZ`, others alike; `Ex01` to `Ex99`, `ExAA`
 * to `EzZZ`.
 * @param number from 1 on
 * @returns undefined where there are no more
 */
export function segmentExtension(series: Series, number: number): string | undefined {
  if (number < 1) return undefined
  if (number <= NUMBERED) return `${series}${String(number).padStart(2, '0')}`
  const place = number - NUMBERED - 1
  const last = series.at(-1)!
  const moved = String.fromCharCode(last.charCodeAt(0) + Math.floor(place / LETTERS ** 2))
  if (moved > (last < 'a' ? 'Z' : 'z')) return undefined
  const letter = (index: number) => String.fromCharCode(65 + (index % LETTERS))
  return series.slice(0, -1) + moved + letter(Math.floor(place / LETTERS)) + letter(place)
}

/** The number of the segment that has this extension, in any case; undefined where it is none of the series. */
export function segmentNumber(series: Series, extension: string): number | undefined {
  const match = /^([a-z]{1,2})(?:(\d\d)|([a-z])([a-z]))$/.exec(extension.toLowerCase())
  if (!match) return undefined
  const [, letters, digits, high, low] = match as unknown as [string, string, string?, string?, string?]
  const place = (letter: string) => letter.charCodeAt(0) - 'a'.charCodeAt(0)
  const moved = place(letters.at(-1)!) - place(series.at(-1)!.toLowerCase())
  const number =
    digits !== undefined
      ? Number(digits)
      : NUMBERED + 1 + (moved * LETTERS + place(high!)) * LETTERS + place(low!)
  return segmentExtension(series, number)?.toLowerCase() === extension.toLowerCase() ? number : undefined
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
  const series = SERIES.find((one) => segmentNumber(one, name.slice(dot + 1)) === number)
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
