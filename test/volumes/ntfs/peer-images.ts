import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'

/** Volumes by Windows in test/data/ntfs. */
export type RealImage = 'ntfs-lastaccess' | 'ntfs-ptrn'

/** Of the volume on the disk, in bytes and in sectors. */
export const REAL_OFFSET = 65536

/** The disk, unpacked where it takes no more room than it has content, until the test has ended. */
export function unpack(t: ExecutionContext, name: RealImage): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-ntfs-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, name)
  const script = 'gzip -dc "$1" | dd of="$2" bs=64k iflag=fullblock conv=sparse status=none'
  execFileSync('sh', ['-c', script, 'sh', `test/data/ntfs/${name}.raw.gz`, file])
  return file
}

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
