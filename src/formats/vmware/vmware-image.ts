import { endOfRuns, mergeRuns } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Image, Surroundings } from '../image/image.js'
import { type PlacedRun, placeRuns } from '../placed-runs.js'
import { sourceRange } from '../source-range.js'
import { type Checkpoint, isCheckpoint, readCheckpoint } from './checkpoint.js'
import { HOLE_START, type MemoryGroup, placeRegions, readMemoryGroup } from './regions.js'
import { readFacts } from './vmware-facts.js'

const PAGE = 4096
const MEMORY_FILE = /\.vmem$/i
const CHECKPOINT_FILE = /\.vms[sn]$/i
const CHECKPOINTS = ['.vmss', '.vmsn']

/**
 * Whether a file is a checkpoint of VMware, or the memory of one: that has no form of its own, so its name must lead
 * to a checkpoint that is one.
 */
export async function isVmware(head: Bytes, surroundings: Surroundings | undefined): Promise<boolean> {
  return (
    isCheckpoint(head) || (surroundings !== undefined && (await checkpointBeside(surroundings)) !== undefined)
  )
}

/**
 * Opens the memory of a virtual machine of VMware, by its checkpoint or by its memory file.
 * @throws {FormatError} where the one is not what it should be, or the other is not there
 */
export async function openVmwareImage(source: ByteSource, surroundings: Surroundings): Promise<Image> {
  if (isCheckpoint(await source.read(0n, PAGE))) return openByCheckpoint(source, surroundings)
  const checkpoint = await checkpointBeside(surroundings)
  return checkpoint
    ? imageOf(
        source,
        await describe(checkpoint),
        `memory file, ${checkpoint.name.slice(-4).toLowerCase()} beside it`,
      )
    : imageOf(source, undefined, 'memory file alone')
}

async function openByCheckpoint(source: ByteSource, { path, openFile }: Surroundings): Promise<Image> {
  const described = await describe(source)
  const { memory } = described.group
  if (memory) {
    if (memory.compressed)
      throw new FormatError('the memory in the checkpoint is compressed, which is not read', memory.offset)
    const content = sourceRange(source, memory.offset, memory.size)
    return imageOf(content, described, 'checkpoint with memory')
  }
  const name = path.replace(CHECKPOINT_FILE, '.vmem')
  const file = name === path ? undefined : openFile(name)
  if (!file)
    throw new FormatError(
      'a checkpoint without the memory, which stands in a file .vmem of the same name',
      undefined,
      `put ${name === path ? 'that' : name} beside it`,
    )
  return imageOf(file, described, 'checkpoint, memory beside it')
}

/** The checkpoint that a memory file belongs to: of the same name, and one by its content. */
async function checkpointBeside({ path, openFile }: Surroundings): Promise<ByteSource | undefined> {
  if (!MEMORY_FILE.test(path)) return undefined
  for (const extension of CHECKPOINTS) {
    const source = openFile(path.replace(MEMORY_FILE, extension))
    if (source && isCheckpoint(await source.read(0n, PAGE))) return source
  }
  return undefined
}

interface Described {
  readonly checkpoint: Checkpoint
  readonly group: MemoryGroup
  readonly facts: Image['facts']
  readonly remarks: readonly string[]
}

const NO_FACTS = { hypervisor: 'VMware' }

async function describe(source: ByteSource): Promise<Described> {
  const checkpoint = await readCheckpoint(source)
  const group = await readMemoryGroup(source, checkpoint)
  try {
    return { checkpoint, group, facts: await readFacts(source, checkpoint), remarks: [] }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    return { checkpoint, group, facts: NO_FACTS, remarks: [`what it tells of the machine: ${error.message}`] }
  }
}

function imageOf(memory: ByteSource, described: Described | undefined, variant: string): Image {
  const pieces = placeRegions(described?.group.regions ?? [], memory.size)
  refuseOverlap(pieces)
  const { runs, missing, read } = placeRuns(memory, pieces)
  if (runs.length === 0) throw new FormatError('a memory without a byte', 0n)
  const size = endOfRuns(pieces)
  return {
    format: 'vmware',
    variant: [variant, described?.checkpoint.words].filter(Boolean).join(', '),
    category: 'memory:physical',
    size,
    runs,
    holes: missing.map((run) => ({ ...run, content: 'unknown' })),
    unit: PAGE,
    facts: described?.facts ?? NO_FACTS,
    digests: [],
    checks: [],
    incomplete: missing.length > 0 ? 'the memory is shorter than its regions' : undefined,
    remarks: remarksOn(memory, described),
    companions: [],
    read,
    async close() {},
  }
}

function refuseOverlap(pieces: readonly PlacedRun[]): void {
  try {
    mergeRuns(pieces)
  } catch (error) {
    throw new FormatError(`the ${(error as Error).message.replace('runs', 'regions of the memory')}`)
  }
}

function remarksOn(memory: ByteSource, described: Described | undefined): string[] {
  const remarks = [...(described?.remarks ?? [])]
  if ((described?.group.regions.length ?? 0) === 0 && memory.size > HOLE_START)
    remarks.push('no regions are told: what stands above 3 GiB in the file is taken to begin at 4 GiB')
  if (described?.checkpoint.words === 'restored')
    remarks.push('the machine has been resumed from this checkpoint: a memory file beside it may be newer')
  return remarks
}
