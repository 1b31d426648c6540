/** FILETIME: ticks of 100 ns since 1601-01-01 UTC, signed 64 bits. */
export type Filetime = bigint

const UNIX_EPOCH: Filetime = 116_444_736_000_000_000n
const TICKS_PER_MILLISECOND = 10_000n
/** 10000-01-01. */
const END_OF_CALENDAR: Filetime = 2_650_467_744_000_000_000n

/** Nanoseconds since the Unix epoch. */
export const unixNanoseconds = (time: Filetime): bigint => (time - UNIX_EPOCH) * 100n

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
  if (time === 0n) return ''
  if (!isOnCalendar(time)) return String(time)
  const ticks = time - UNIX_EPOCH
  const below = ((ticks % TICKS_PER_MILLISECOND) + TICKS_PER_MILLISECOND) % TICKS_PER_MILLISECOND
  const date = new Date(Number((ticks - below) / TICKS_PER_MILLISECOND))
  return `${date.toISOString().slice(0, -1)}${String(below).padStart(4, '0')}Z`
}
