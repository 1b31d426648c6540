import { byStart, type Run } from '../address-space.js'
import { max, min } from '../min-max.js'

/** AVML cuts ranges into records of this size. */
export const AVML_RECORD_SIZE = 16n << 20n
const PAGE = 4096n

/**
 * What an examiner must know of the records of an image, of LiME or AVML, which writes both.
 * @param records in the order of the file
 */
export function remarksOnRecords(records: readonly Run[]): string[] {
  const ascending = [...records].sort(byStart)
  const remarks = records.every((record, i) => record === ascending[i]) ? [] : ['its records do not ascend']
  let [twice, leftOut, shortEnds, reached] = [0n, 0n, 0n, 0n]
  for (const [index, { start, length }] of ascending.entries()) {
    const end = start + length
    twice += max(0n, min(end, reached) - start)
    reached = max(reached, end)
    const next = ascending[index + 1]
    const gap = next && next.start - end
    if (gap && gap > 0n && length === AVML_RECORD_SIZE && gap % length === 0n) leftOut += gap / length
    if (gap !== 0n && end % PAGE === PAGE - 1n) shortEnds++
  }
  if (twice > 0n)
    remarks.push(`${twice} bytes stand in more than one record: the record that begins first counts`)
  if (leftOut > 0n)
    remarks.push(
      `${leftOut} records of 16 MiB are absent between others: AVML leaves out what is all zeros, so they may be zeros, or no memory`,
    )
  if (shortEnds > 0n)
    remarks.push(
      `${shortEnds} ranges end one byte before their page does, as AVML writes them: that byte is missing`,
    )
  return remarks
}
