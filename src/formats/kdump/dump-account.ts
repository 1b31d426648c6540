import { type OwnNote, whyStump } from '../elf/own-note.js'
import type { PageRun } from './bitmaps.js'
import type { DumpFile } from './dump-file.js'
import { EXCLUDED_VMEMMAP, INCOMPLETE, LZO, SNAPPY, ZLIB, ZSTD } from './structs.js'

const CODEC_NAMES: readonly [number, string][] = [
  [ZLIB, 'zlib'],
  [LZO, 'lzo'],
  [SNAPPY, 'snappy'],
  [ZSTD, 'zstd'],
]
/** Bits of dump_level. Pages of zeros (1) are not left out: they share one. */
const LEVELS: readonly [number, string][] = [
  [2, 'the page cache'],
  [4, 'private pages of the page cache'],
  [8, 'memory of processes'],
  [16, 'free pages'],
]

/** Which kind of dump it is. */
export function variantOf(files: readonly DumpFile[]): string {
  const [{ about }] = files as [DumpFile]
  const { model, version, header } = about
  const codec = CODEC_NAMES.find(([bit]) => Number(header.status) & bit)?.[1]
  return [
    `version ${version}`,
    `${model.bits} bit`,
    model.littleEndian ? undefined : 'big-endian',
    codec ?? 'not compressed',
    about.split ? `${files.length} of several files` : undefined,
  ]
    .filter(Boolean)
    .join(', ')
}

/**
 * Why it is a stump.
 * @param gaps pages that no part is about @param absent whether there was memory among them
 */
export function whyIncomplete(
  files: readonly DumpFile[],
  own: OwnNote | undefined,
  gaps: readonly PageRun[],
  absent: boolean,
): string | undefined {
  const told = own && whyStump(own)
  const marked = files.some(({ about }) => (about.header.status & BigInt(INCOMPLETE)) !== 0n)
  const lost = files.reduce((sum, file) => sum + file.lost.reduce((all, { count }) => all + count, 0), 0)
  const reasons = [
    told,
    told === undefined && marked && 'its writer did not finish it',
    lost > 0 && `${lost} pages that it lists are not in it`,
    absent &&
      `a part is missing: pages ${gaps.map(({ first, count }) => `0x${first.toString(16)} to 0x${(first + count).toString(16)}`).join(', ')}`,
  ].filter((reason) => reason !== false && reason !== undefined)
  return reasons.length > 0 ? reasons.join('; ') : undefined
}

/** What was left out on purpose. */
export function remarksOn({ about }: DumpFile): string[] {
  const level = Number(about.sub.dump_level)
  const named = LEVELS.filter(([bit]) => level & bit).map(([, name]) => name)
  const remarks = named.length > 0 ? [`dump level ${level} leaves out ${named.join(', ')}`] : []
  if (Number(about.header.status) & EXCLUDED_VMEMMAP) remarks.push('it leaves out unused parts of vmemmap')
  return remarks
}
