import type { FileTimes } from '../../formats/ntfs/file-name.js'
import { formatFiletime, isOnCalendar } from '../../formats/ntfs/filetime.js'

/**
 * FILETIMEs as ISO 8601; null for what is not set or on no calendar, the latter with the number beside it
 * (`createdFiletime`).
 */
export type Times = Readonly<Record<keyof FileTimes, string | null>> &
  Readonly<Partial<Record<`${keyof FileTimes}Filetime`, string>>>

export const TIMES = ['created', 'modified', 'changed', 'accessed'] as const

export function timeFacts(times: FileTimes): Times {
  const told: Record<string, string | null> = {}
  for (const name of TIMES) {
    const time = times[name]
    const isWritten = time !== 0n && isOnCalendar(time)
    told[name] = isWritten ? formatFiletime(time) : null
    if (time !== 0n && !isWritten) told[`${name}Filetime`] = String(time)
  }
  return told as Times
}
