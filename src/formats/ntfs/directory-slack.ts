import { firstIndex } from '../address-space.js'
import { ATTRIBUTE } from './attribute-type.js'
import { allEntries, type Directory, openDirectory } from './directory.js'
import { findAttribute, type NtfsFile } from './file.js'
import { NAME_INDEX } from './file-index.js'
import { NODE_POSITION } from './index-block.js'
import { NODE_HEADER_SIZE } from './index-node.js'
import { scanIndexBlocks } from './index-scan.js'
import { formerSequence } from './parent-path.js'
import { isInUse } from './record.js'
import { type CarvedName, type CarveRequest, carveNames } from './slack.js'
import type { NtfsVolume } from './volume.js'

/** A name that a directory once held, or still does: `live` tells. */
export interface SlackEntry extends CarvedName {
  /**
   * Where it lies: behind the entries of the root or of a block, in a block that is no longer in use, behind the
   * attributes of a record, or behind the last block in the clusters of the index.
   */
  readonly source: 'root' | 'block' | 'unused block' | 'record' | 'file slack'
  /** Of a block its number, of a record likewise. `at` counts from the beginning of either, or of the root, or of the slack. */
  readonly number: number
  /** Whether the directory still holds this name, of this file where its reference is known. */
  readonly live: boolean
}

/** No cluster is larger. */
const MOST_FILE_SLACK = 2 << 20

/** Old entries of a directory, wherever they may stand: a batch for each place. */
export async function* carveDirectory(
  volume: NtfsVolume,
  file: NtfsFile,
): AsyncGenerator<readonly SlackEntry[]> {
  const directory = openDirectory(volume, file)
  const live = await liveNames(directory)
  const trust = trustOf(volume, file)
  const carve = (
    source: SlackEntry['source'],
    number: number,
    place: Omit<CarveRequest, 'trust'>,
  ): SlackEntry[] =>
    carveNames({ ...place, trust }).map((carved) => ({
      ...carved,
      source,
      number,
      live: live.has(carved),
    }))

  const { index } = directory
  if (index) {
    const { bytes, slack } = index.root.node
    yield carve('root', file.reference.record, { bytes, ...slack })
    for await (const { number, inUse, block } of scanIndexBlocks(index)) {
      const { bytes, slack } = block.node
      yield inUse === false
        ? carve('unused block', number, { bytes, start: NODE_POSITION + NODE_HEADER_SIZE, end: bytes.length })
        : carve('block', number, { bytes, ...slack })
    }
  }
  for (const { number, bytes, bytesInUse } of [file.base, ...file.extensions])
    yield carve('record', number, { bytes, start: bytesInUse, end: bytes.length })
  const bytes = await readFileSlack(volume, file)
  yield carve('file slack', file.reference.record, { bytes, start: 0, end: bytes.length })
}

/** The names that a directory holds: as hashes of 53 bits, for it may hold millions. */
interface LiveNames {
  /** Whether anything bears the name; of an intact entry, whether its own file does. */
  has(carved: CarvedName): boolean
}

async function liveNames(directory: Directory): Promise<LiveNames> {
  const names: number[] = []
  const files: number[] = []
  for await (const batch of allEntries(directory))
    for (const { name, record, sequence } of batch) {
      names.push(hashText(name))
      files.push(hashText(`${record}-${sequence}/${name}`))
    }
  const [sortedNames, sortedFiles] = [names, files].map((hashes) => Float64Array.from(hashes).sort())
  return {
    has({ headerIntact, reference, fileName: { name } }) {
      return headerIntact
        ? holds(sortedFiles!, hashText(`${reference.record}-${reference.sequence}/${name}`))
        : holds(sortedNames!, hashText(name))
    },
  }
}

/** Two multiplicative hashes of 32 bits, of which 53 are kept: what a number holds exactly. */
function hashText(text: string): number {
  let high = 0x9e3779b9
  let low = 0x85ebca6b
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    high = Math.imul(high ^ unit, 0x9e3779b1)
    low = Math.imul(low ^ unit, 0x5f356495)
    high ^= low >>> 15
    low ^= high >>> 13
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0)
}

const holds = (sorted: Float64Array, value: number): boolean =>
  sorted[firstIndex(sorted.length, (at) => sorted[at]! >= value)] === value

/** Children bear the sequence number that their directory had when it was in use. */
function trustOf({ recordCount }: NtfsVolume, { reference, base }: NtfsFile): CarveRequest['trust'] {
  const own = [reference.sequence]
  if (!isInUse(base)) own.push(formerSequence(reference.sequence))
  return ({ record, sequence }) => {
    if (record === reference.record && own.includes(sequence)) return 'high'
    return record < recordCount && sequence !== 0 ? 'medium' : undefined
  }
}

/** What lies behind the last byte of $INDEX_ALLOCATION in its clusters; empty where that cannot be read. */
async function readFileSlack(volume: NtfsVolume, file: NtfsFile): Promise<Buffer> {
  const attribute = findAttribute(file, ATTRIBUTE.INDEX_ALLOCATION, NAME_INDEX)
  if (!attribute) return Buffer.alloc(0)
  const { data, allocated } = attribute.sizes
  const length = allocated - data
  if (length <= 0n || length > MOST_FILE_SLACK) return Buffer.alloc(0)
  const whole = volume.stream({
    ...attribute,
    sizes: { ...attribute.sizes, data: allocated, initialised: allocated },
  })
  try {
    return Buffer.from(await whole.read(data, Number(length)))
  } catch (error) {
    volume.report({
      message: `${whole.name}: what lies behind its end cannot be read: ${(error as Error).message}`,
      record: file.reference.record,
    })
    return Buffer.alloc(0)
  }
}
