import { byStart, subtractRuns, uniteRuns } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Facts } from '../image/facts.js'
import type { Image } from '../image/image.js'
import { max, min } from '../min-max.js'
import { type PlacedRun, placeRuns } from '../placed-runs.js'
import { type MachCore, type MachSegment, readMachCore } from './core-file.js'

const PAGE = 4096
/** e_machine of ELF by cputype. */
const MACHINES: ReadonlyMap<number, bigint> = new Map([
  [7, 3n],
  [0x0100_0007, 62n],
  [12, 40n],
  [0x0100_000c, 183n],
  [18, 20n],
  [0x0100_0012, 21n],
])

/**
 * Opens a Mach-O core. Mac Memory Reader has physical addresses in it; cores of a kernel or a process have virtual
 * ones, and say so by their threads.
 * @throws {FormatError} where it is none, or holds nothing
 */
export async function openMachCore(source: ByteSource): Promise<Image> {
  const core = await readMachCore(source)
  const { encoding, segments, threads } = core
  const space = 1n << BigInt(encoding.bits)
  const placed = segments.filter(({ filesize }) => filesize > 0n).map((segment) => placeOf(segment, space))
  const { runs, missing, read } = placeRuns(source, placed)
  if (runs.length === 0) throw new FormatError('a Mach-O core without memory', 0n)
  const tails = segments
    .filter(({ vmsize, filesize }) => filesize < vmsize)
    .map(({ vmaddr, vmsize, filesize }) => {
      const start = vmaddr + filesize
      return { start, length: min(vmaddr + vmsize, space) - start }
    })
  const leftOut = subtractRuns(uniteRuns(tails), uniteRuns([...runs, ...missing]))
  const holes = [...missing, ...leftOut].map((run) => ({ ...run, content: 'unknown' as const })).sort(byStart)
  const lost = missing.reduce((sum, { length }) => sum + length, 0n)
  return {
    format: 'mach-o',
    variant: [`${encoding.bits} bit`, encoding.littleEndian ? '' : 'big-endian'].filter(Boolean).join(', '),
    category: threads > 0 ? 'memory:virtual' : 'memory:physical',
    size: [...runs, ...holes].map(({ start, length }) => start + length).reduce(max, 0n),
    runs,
    holes,
    unit: PAGE,
    facts: factsOf(core),
    digests: [],
    checks: [],
    incomplete: lost > 0n ? `${lost} bytes of memory lie past the end of the file` : undefined,
    remarks: threads > 0 ? [`the registers of ${threads} threads stay in the core`] : [],
    companions: [],
    read,
    async close() {},
  }
}

function placeOf({ vmaddr, filesize, fileoff }: MachSegment, space: bigint): PlacedRun {
  if (vmaddr + filesize > space || fileoff + filesize > space)
    throw new FormatError(`a segment of 0x${filesize.toString(16)} bytes leaves the address space`, fileoff)
  return { start: vmaddr, length: filesize, offset: fileoff }
}

function factsOf({ cpuType, kernelVersion }: MachCore): Facts {
  const machine = MACHINES.get(cpuType)
  const release = /^Darwin Kernel Version ([0-9.]+)/.exec(kernelVersion ?? '')?.[1]
  return {
    system: 'macOS',
    ...(machine !== undefined && { machine }),
    ...(release !== undefined && { kernelRelease: release }),
    ...(kernelVersion !== undefined && { kernelVersion }),
  }
}
