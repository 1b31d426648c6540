import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { PlacedRun } from '../placed-runs.js'
import { type Checkpoint, numberOf, readTags, type Tag } from './checkpoint.js'

const PAGE = 4096n
const MOST_REGIONS = 1 << 20
/** Where the devices of a PC begin, and where its memory goes on behind them. */
export const HOLE_START = 0xc0000000n
const HOLE_END = 0x100000000n

/** What the group `memory` of a checkpoint tells. */
export interface MemoryGroup {
  /** Where the machine has the pages of the memory file: page numbers. */
  readonly regions: readonly Region[]
  /** The memory itself, where it is in the checkpoint. */
  readonly memory: Tag | undefined
}

interface Region {
  /** First page in the machine. */
  readonly ppn: bigint
  /** First page in the memory file. */
  readonly pageNum: bigint
  /** In pages. */
  readonly size: bigint
}

const FIELDS = { regionPPN: 'ppn', regionPageNum: 'pageNum', regionSize: 'size' } as const
type Field = keyof typeof FIELDS
const isField = (name: string): name is Field => name in FIELDS

/** @throws {FormatError} where there is no such group, or a region is not told whole */
export async function readMemoryGroup(source: ByteSource, checkpoint: Checkpoint): Promise<MemoryGroup> {
  const group = checkpoint.groups.find(({ name }) => name === 'memory')
  if (!group) throw new FormatError('a checkpoint without a group `memory`', 8n)
  const told = new Map<number, Partial<Record<Field, bigint>>>()
  let count = 0n
  let memory: Tag | undefined
  for await (const tag of readTags(source, checkpoint, group)) {
    const [index] = tag.indices
    if (tag.name === 'Memory' && !tag.value) memory ??= tag
    else if (tag.name === 'regionsCount') count = numberOf(tag) ?? 0n
    else if (isField(tag.name) && index !== undefined) {
      const region = told.get(index) ?? {}
      told.set(index, { ...region, [tag.name]: numberOf(tag) })
    }
  }
  if (count > BigInt(MOST_REGIONS)) throw new FormatError(`a memory of ${count} regions`, group.offset)
  const regions = Array.from({ length: Number(count) }, (_, index): Region => {
    const { regionPPN: ppn, regionPageNum: pageNum, regionSize: size } = told.get(index) ?? {}
    if (ppn === undefined || pageNum === undefined || size === undefined)
      throw new FormatError(`region ${index} of the memory is not told whole`, group.offset)
    return { ppn, pageNum, size }
  })
  return { regions, memory }
}

/**
 * Where the machine has the bytes of a memory file.
 * @param size of the memory file: where no regions are told, its part above 3 GiB is taken to begin at 4 GiB
 */
export function placeRegions(regions: readonly Region[], size: bigint): PlacedRun[] {
  if (regions.length > 0)
    return regions.map(({ ppn, pageNum, size }) => ({
      start: ppn * PAGE,
      length: size * PAGE,
      offset: pageNum * PAGE,
    }))
  const low = { start: 0n, length: size < HOLE_START ? size : HOLE_START, offset: 0n }
  return size <= HOLE_START
    ? [low]
    : [low, { start: HOLE_END, length: size - HOLE_START, offset: HOLE_START }]
}
