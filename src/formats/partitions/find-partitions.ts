import type { ByteSource } from '../byte-source.js'
import { readBuffer } from '../read-buffer.js'
import { readGpt } from './gpt.js'
import { decodeMbr, isProtective, MBR_SIZE, readMbr } from './mbr.js'
import type { PartitionTable } from './partition.js'

/**
 * Finds the partitions of a disk, by its GPT where it has one, else by its MBR.
 * @returns undefined where it has neither
 */
export async function findPartitions(source: ByteSource): Promise<PartitionTable | undefined> {
  const entries = decodeMbr(await readBuffer(source, 0n, MBR_SIZE))
  // An MBR that has partitions counts more than what is left of a GPT from before.
  const isUsed = entries?.some(({ type, count }) => type !== 0 && count > 0) ?? false
  if (!entries || !isUsed || isProtective(entries)) {
    const table = await readGpt(source)
    if (table) return table
  }
  if (!entries || !isUsed) return undefined
  const table = await readMbr(source, entries, 512)
  if ((await countBeginnings(source, table)) > 0) return table
  const large = await readMbr(source, entries, 4096)
  return (await countBeginnings(source, large)) > 0 ? large : table
}

/** How many partitions begin with what has a boot sector: an MBR does not say how large its sectors are. */
async function countBeginnings(source: ByteSource, { partitions }: PartitionTable): Promise<number> {
  let count = 0
  for (const { start } of partitions) {
    const sector = await readBuffer(source, start, MBR_SIZE)
    if (sector.length === MBR_SIZE && sector.readUInt16LE(510) === 0xaa55) count++
  }
  return count
}
