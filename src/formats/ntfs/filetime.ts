/** FILETIME: ticks of 100 ns since 1601-01-01 UTC, signed 64 bits. */
export type Filetime = bigint

const UNIX_EPOCH: Filetime = 116_444_736_000_000_000n
const TICKS_PER_MILLISECOND = 10_000n
/** 10000-01-01. */
const END_OF_CALENDAR: Filetime = 2_650_467_744_000_000_000n

/** Nanoseconds since the Unix epoch. */
export const unixNanoseconds = (time: Filetime): bigint => (time - UNIX_EPOCH) * 100n

/** The tick that nanoseconds since the Unix epoch fall into. */
export const filetimeOf = (time: bigint): Filetime => {
  const ticks = time >= 0n ? time / 100n : -((-time + 99n) / 100n)
  return ticks + UNIX_EPOCH
}

/** Whole seconds since the Unix epoch, rounded down. */
export const unixSeconds = (time: Filetime): number => {
  const ticks = time - UNIX_EPOCH
  const second = TICKS_PER_MILLISECOND * 1000n
  return Number(ticks >= 0n ? ticks / second : -((-ticks + second - 1n) / second))
}

/** Whether it falls into the years 1601 to 9999. */
export const isOnCalendar = (time: Filetime): boolean => time >= 0n && time < END_OF_CALENDAR

/**
 * ISO 8601 with all seven decimals: 2023-01-23T20:45:12.0819459Z. Empty for 0, which means "not set"; the number itself
 * where it is on no calendar.
 */
export function formatFiletime(time: Filetime): string {
  if (time === latest.time) return latest.text
  const text = time === 0n ? '' : isOnCalendar(time) ? formatOnCalendar(time) : String(time)
  latest = { time, text }
  return text
}

/** The times of a file are often one, and those of its neighbours of the same day. */
let latest: { readonly time: Filetime; readonly text: string } = { time: 0n, text: '' }
let day: { readonly begins: Filetime; readonly date: string } = { begins: 0n, date: '1601-01-01' }

const TICKS_PER_SECOND = 10_000_000
const TICKS_PER_DAY = 86_400 * TICKS_PER_SECOND

function formatOnCalendar(time: Filetime): string {
  let within = Number(time - day.begins)
  if (within < 0 || within >= TICKS_PER_DAY) {
    const begins = time - (time % BigInt(TICKS_PER_DAY))
    const date = new Date(Number((begins - UNIX_EPOCH) / TICKS_PER_MILLISECOND)).toISOString().slice(0, 10)
    day = { begins, date }
    within = Number(time - begins)
  }
  const seconds = Math.floor(within / TICKS_PER_SECOND)
  const minutes = Math.floor(seconds / 60)
  const ticks = String(TICKS_PER_SECOND + (within % TICKS_PER_SECOND)).slice(1)
  return `${day.date}T${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds % 60)}.${ticks}Z`
}

const two = (value: number) => (value < 10 ? `0${value}` : String(value))
