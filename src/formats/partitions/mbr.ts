import type { ByteSource } from '../byte-source.js'
import { readBuffer } from '../read-buffer.js'
import type { Partition, PartitionTable } from './partition.js'

/*
 * Master boot record, and each extended boot record: 512 bytes, whatever the size of a sector, little-endian:
 *
 *    446  4x16  entries: 0  1  status, 80 active, else 00
 *                        4  1  type
 *                        8  4  first sector
 *                       12  4  sectors
 *    510  2  55 AA
 *
 * In an extended boot record the first entry is a logical partition, counted from this record on; the second one
 * leads to the next record, counted from the extended partition on.
 */
export const MBR_SIZE = 512
const ENTRIES_AT = 446
const ENTRY_SIZE = 16
const ENTRIES = 4

const EXTENDED = new Set([0x05, 0x0f, 0x85])
const PROTECTIVE = 0xee
/** Linux and Windows know a few hundred at most. */
const MOST_LOGICAL = 1024

export interface MbrEntry {
  readonly type: number
  /** In sectors. */
  readonly start: number
  readonly count: number
}

/** The entries of a master or extended boot record, undefined where it is none. */
export function decodeMbr(sector: Buffer): MbrEntry[] | undefined {
  if (sector.length < MBR_SIZE || sector.readUInt16LE(510) !== 0xaa55) return undefined
  const entries: MbrEntry[] = []
  for (let index = 0; index < ENTRIES; index++) {
    const at = ENTRIES_AT + index * ENTRY_SIZE
    if ((sector[at]! & 0x7f) !== 0) return undefined
    entries.push({
      type: sector[at + 4]!,
      start: sector.readUInt32LE(at + 8),
      count: sector.readUInt32LE(at + 12),
    })
  }
  return entries
}

/** Whether the record only keeps others away from a GPT. */
export const isProtective = (entries: readonly MbrEntry[]): boolean =>
  entries.some(({ type }) => type === PROTECTIVE)

/** The primary and logical partitions of a disk whose first sector has these entries. */
export async function readMbr(
  source: ByteSource,
  entries: readonly MbrEntry[],
  sectorSize: number,
): Promise<PartitionTable> {
  const partitions: Partition[] = []
  const complaints: string[] = []
  const bytes = (sectors: number) => BigInt(sectors) * BigInt(sectorSize)
  const add = (index: number, start: number, { type, count }: MbrEntry) =>
    partitions.push({ index, start: bytes(start), length: bytes(count), type: typeName(type), name: '' })

  const logical: { start: number; entry: MbrEntry }[] = []
  async function followChain(extended: number): Promise<void> {
    const seen = new Set<number>()
    for (let record: number | undefined = extended; record !== undefined; ) {
      if (seen.has(record) || logical.length >= MOST_LOGICAL) {
        complaints.push('the chain of logical partitions comes back to itself, or is endless')
        return
      }
      seen.add(record)
      const here = decodeMbr(await readBuffer(source, bytes(record), MBR_SIZE))
      if (!here) {
        complaints.push(`no record of a logical partition at 0x${bytes(record).toString(16)}`)
        return
      }
      const start: number = record
      record = undefined
      for (const entry of here) {
        if (entry.type === 0 || entry.count === 0) continue
        if (EXTENDED.has(entry.type)) record ??= extended + entry.start
        else logical.push({ start: start + entry.start, entry })
      }
    }
  }

  for (const [index, entry] of entries.entries()) {
    if (entry.type === 0 || entry.count === 0) continue
    if (EXTENDED.has(entry.type)) await followChain(entry.start)
    else add(index + 1, entry.start, entry)
  }
  for (const [index, { start, entry }] of logical.entries()) add(ENTRIES + 1 + index, start, entry)
  return { scheme: 'MBR', sectorSize, partitions, complaints }
}

const typeName = (type: number) => `0x${type.toString(16).padStart(2, '0')}`
