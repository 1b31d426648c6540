import type { ByteSource } from '../byte-source.js'
import { findPartitions } from '../partitions/find-partitions.js'
import { describeType, type Partition, type PartitionTable } from '../partitions/partition.js'
import { readBuffer } from '../read-buffer.js'
import { EMPTY, recognise, TELLING_SIZE } from '../recognise.js'
import { sourceRange } from '../source-range.js'
import { backupPlaces } from './backup-places.js'
import { BOOT_SECTOR_SIZE, decodeBootSector, type Geometry } from './boot-sector.js'
import { NtfsError, type Report } from './finding.js'

/** Where an NTFS volume lies in what was opened. */
export interface FoundVolume {
  /** From its boot sector, or the place of that, to the end of its partition. */
  readonly source: ByteSource
  /** Of the volume, in bytes. */
  readonly offset: bigint
  /** Undefined where no partition table says where it lies. */
  readonly partition: Partition | undefined
}

/**
 * The NTFS volume in a source: the source itself, the one at `offset`, or the only one among its partitions. One whose
 * boot sector is gone is found by the backup of that.
 * @param offset where it must begin, in bytes
 * @throws {NtfsError} when there is none, saying what is there instead, or more than one, listing them
 */
export async function findVolume(
  source: ByteSource,
  offset: bigint | undefined,
  report: Report,
): Promise<FoundVolume> {
  if (offset !== undefined) return volumeAt(source, offset)
  if (await hasBootSector(source)) return { source, offset: 0n, partition: undefined }
  // Where the first sector cannot be read, a volume without partitions may still be found from its end.
  const table = await findPartitions(source).catch(() => undefined)
  if (!table) return unpartitioned(source)
  for (const message of table.complaints) report({ message })
  const found = await volumesOf(source, table)
  if (found.length > 1)
    throw new NtfsError(
      `${source.name}: ${found.length} NTFS volumes`,
      undefined,
      `choose one: ${listOf(found)}`,
    )
  if (!found[0]) throw await noVolumeAmong(source, table)
  const { partition } = found[0]
  if (partition && partition.start + partition.length > source.size)
    report({
      message: `partition ${partition.index} reaches past the end: the image is cut`,
      offset: source.size,
    })
  return found[0]
}

async function volumeAt(source: ByteSource, offset: bigint): Promise<FoundVolume> {
  if (offset < 0n || offset >= source.size)
    throw new NtfsError(`${source.name}: offset ${offset} is past its end, it has ${source.size} bytes`)
  const table = await findPartitions(source)
  const partition = table?.partitions.find(({ start }) => start === offset)
  const range = sourceRange(source, offset, partition?.length ?? source.size - offset)
  if ((await hasBootSector(range)) || (await beginningByBackup(range)) === 0n)
    return { source: range, offset, partition }
  throw await refusal(range, offset)
}

async function unpartitioned(source: ByteSource): Promise<FoundVolume> {
  const offset = (await isOther(source)) ? undefined : await beginningByBackup(source)
  if (offset === undefined) throw await refusal(source, 0n)
  const range = offset === 0n ? source : sourceRange(source, offset, source.size - offset)
  return { source: range, offset, partition: undefined }
}

async function volumesOf(source: ByteSource, { partitions }: PartitionTable): Promise<FoundVolume[]> {
  const found: FoundVolume[] = []
  for (const partition of partitions) {
    const range = sourceRange(source, partition.start, partition.length)
    const isVolume =
      (await hasBootSector(range)) || (!(await isOther(range)) && (await beginningByBackup(range)) === 0n)
    if (isVolume) found.push({ source: range, offset: partition.start, partition })
  }
  return found
}

const hasBootSector = async (source: ByteSource): Promise<boolean> =>
  (await geometryAt(source, 0n)) !== undefined

/** Where the volume begins whose backup boot sector is the last sector, or stands where the damaged one leads. */
async function beginningByBackup(source: ByteSource): Promise<bigint | undefined> {
  for (const at of await backupPlaces(source)) {
    const geometry = await geometryAt(source, at)
    if (geometry && geometry.volumeSize <= at) return at - geometry.volumeSize
  }
  return undefined
}

/** @returns undefined, too, where it cannot be read: there may be a backup */
async function geometryAt(source: ByteSource, offset: bigint): Promise<Geometry | undefined> {
  try {
    return decodeBootSector(await readBuffer(source, offset, BOOT_SECTOR_SIZE))
  } catch {
    return undefined
  }
}

/** Whether something else is there than a volume whose beginning is lost. */
async function isOther(source: ByteSource): Promise<boolean> {
  const head = await readBuffer(source, 0n, TELLING_SIZE).catch(() => undefined)
  const known = head && recognise(head)
  return known !== undefined && known !== EMPTY
}

async function refusal(source: ByteSource, offset: bigint): Promise<NtfsError> {
  if (source.size === 0n) return new NtfsError(`${source.name}: is empty`)
  const head = await readBuffer(source, 0n, TELLING_SIZE)
  const known = recognise(head)
  if (known) return new NtfsError(`${source.name}: no NTFS volume, but ${known.what}`, offset, known.hint)
  let why = 'no boot sector of NTFS, and no backup of it at the end'
  try {
    decodeBootSector(head)
  } catch (error) {
    if (head.toString('latin1', 3, 7) === 'NTFS') why = `a damaged boot sector: ${(error as Error).message}`
  }
  const hint = 'where it is elsewhere in the image, --offset N says where'
  return new NtfsError(`${source.name}: ${why}`, offset, hint)
}

async function noVolumeAmong(source: ByteSource, { scheme, partitions }: PartitionTable): Promise<NtfsError> {
  const contents: string[] = []
  for (const { index, start, length, type } of partitions.slice(0, MOST_LISTED)) {
    const known = recognise(await readBuffer(sourceRange(source, start, length), 0n, TELLING_SIZE))
    contents.push(`${index} at ${start} is ${known?.what ?? describeType(type)}`)
  }
  const listed = contents.length > 0 ? `: ${contents.join(', ')}` : ''
  return new NtfsError(
    `${source.name}: no NTFS volume among the ${partitions.length} partitions of its ${scheme}${listed}`,
    undefined,
    'where it is elsewhere in the image, --offset N says where',
  )
}

const MOST_LISTED = 20

function listOf(found: readonly FoundVolume[]): string {
  const listed = found.slice(0, MOST_LISTED).map(({ offset, partition }) => {
    const name = partition?.name ? ` ${JSON.stringify(partition.name)}` : ''
    return `--offset ${offset} (partition ${partition?.index}${name}, ${partition?.length} bytes)`
  })
  return listed.join(', ') + (found.length > MOST_LISTED ? ` and ${found.length - MOST_LISTED} more` : '')
}
