import { readFileSync } from 'node:fs'
import type { RealImage } from '../../formats/ntfs/images/image.js'

/** Of the volume on the disk, in bytes and in sectors. */
export const REAL_OFFSET = 65536

/** Rows of a table of the truth by the titles of its columns. */
export function truth(name: RealImage, table: 'si_fn' | 'i30'): Record<string, string>[] {
  const [titles, ...rows] = readFileSync(`test/data/ntfs/${name}/${table}.tsv`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  return rows.map((cells) =>
    Object.fromEntries(titles!.map((title, index) => [title.replace('#', ''), cells[index] ?? ''])),
  )
}
