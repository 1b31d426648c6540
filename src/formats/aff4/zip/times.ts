/**
 * Times of members: MS-DOS's date and time (APPNOTE 6.3.10 §4.4.6), which know no zone and no year before 1980, and
 * beside them Info-ZIP's extended timestamp, id 0x5455: flags, then 4 bytes of seconds since the epoch.
 */

/** 1980-01-01: the same evidence gives the same bytes. */
const FIRST = 0x0021_0000
const LAST = 0xff9f_bf7d
const TIMESTAMP = 0x5455
const HAS_MODIFIED = 1

const secondsOf = (time: bigint): bigint => (time - (((time % SECOND) + SECOND) % SECOND)) / SECOND
const SECOND = 1_000_000_000n

/** Time in the lower, date in the upper 16 bits, in UTC. @param time nanoseconds since the epoch */
export function dosTime(time: bigint | undefined): number {
  if (time === undefined) return FIRST
  const date = new Date(Number(secondsOf(time)) * 1000)
  const year = date.getUTCFullYear() - 1980
  if (!(year >= 0)) return FIRST
  if (year > 127) return LAST
  const day = (year << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate()
  const clock = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1)
  return ((day << 16) | clock) >>> 0
}

/** Nothing for a time that 32 bits cannot hold. */
export function timeExtra(time: bigint | undefined): Buffer {
  const seconds = time === undefined ? undefined : secondsOf(time)
  if (seconds === undefined || seconds !== BigInt.asIntN(32, seconds)) return Buffer.alloc(0)
  const extra = Buffer.alloc(9)
  extra.writeUInt16LE(TIMESTAMP, 0)
  extra.writeUInt16LE(5, 2)
  extra[4] = HAS_MODIFIED
  extra.writeInt32LE(Number(seconds), 5)
  return extra
}
