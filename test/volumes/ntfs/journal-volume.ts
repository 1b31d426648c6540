import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Content, content, encodeJournal, TIME } from '../../formats/ntfs/encode-usn.js'
import { runMounting } from '../../formats/ntfs/images/image.js'

export const FIRST = 2n << 40n
export const AGAIN = 3n << 40n
export const directory = { record: 66, sequence: 1 }
const isDirectory = { file: directory, parent: { record: 65, sequence: 1 }, flags: 0x10 }
const file = { record: 67, sequence: 1 }

/** docs/new was docs/old when f.txt was made; a file of version 3, a range of version 4, and a parent that is gone. */
export const STORY = [
  content('old', { ...isDirectory, reasons: 0x100 }),
  content('f.txt', { file, parent: directory, reasons: 0x8000_0102 }),
  content('old', { ...isDirectory, reasons: 0x1000 }),
  content('new', { ...isDirectory, reasons: 0x2000 }),
  content('g\udc00.txt', { major: 3, file: { record: 70, sequence: 9 }, parent: directory, reasons: 0x200 }),
  content('lost', { parent: { record: 66, sequence: 7 } }),
]
export const range = {
  major: 4,
  file,
  parent: directory,
  reasons: 0x1,
  sources: 0,
  extents: [{ offset: 4096n, length: 100n }],
  extentsLeft: 0,
}

interface Pieces {
  readonly first?: bigint
  readonly again?: bigint
  readonly story?: readonly Content[]
  readonly damage?: (bytes: Buffer) => void
}

/** A volume with a change journal, in a folder that is removed after the test. */
export async function journalVolume(
  t: Pick<ExecutionContext, 'teardown'>,
  pieces: Pieces = {},
): Promise<string> {
  const { first = FIRST, again = AGAIN, story = STORY, damage } = pieces
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-usn-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { bytes } = encodeJournal(story, first)
  damage?.(bytes)
  writeFileSync(path.join(folder, 'J'), bytes)
  writeFileSync(path.join(folder, 'again'), encodeJournal([content('last'), range], again).bytes)
  const facts = Buffer.alloc(32)
  facts.writeBigUInt64LE(32n << 20n, 0)
  facts.writeBigInt64LE(TIME, 16)
  facts.writeBigInt64LE(first, 24)
  writeFileSync(path.join(folder, 'Max'), facts)
  const image = path.join(folder, 'volume')
  await runMounting('test/volumes/journal.py', image, folder, String(first), String(again))
  return image
}
