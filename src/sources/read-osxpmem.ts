import fs from 'node:fs'
import type { Log } from '../cli/messages.js'
import type { Sampling } from '../cli/sampling.js'
import { showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import { MACHINE } from '../formats/elf/structs.js'
import type { Facts } from '../formats/image/facts.js'
import type { Frames } from '../frames/frame.js'
import type { PmemInfo } from '../platform/macos/pmem-info.js'
import { readUninterrupted } from '../platform/read-uninterrupted.js'
import { LOCAL_FILES } from '../platform/system-files.js'
import type { ReadBytes } from './address-space-frames.js'
import { describe, long, propertiesOf } from './facts.js'
import { helperStreams } from './helper-files.js'
import { kernelFiles } from './osxpmem/kernel-files.js'
import { MEMORY, physicalMemory } from './physical-memory.js'
import { RESAMPLE_OPTIONS, type Resampling, resamplingOf } from './smear/options.js'

const PROGRAM = 'pmem-read-osxpmem'
/** Of the Intel processors that the driver runs on. */
const PAGE_SIZE = 4096

export const tool: Tool = {
  name: PROGRAM,
  role: 'source',
  usage: '',
  summary: 'emit the physical memory of this Mac, read through the MacPmem driver',
  options: {
    device: { value: 'FILE', help: 'read this instead of /dev/pmem' },
    info: { value: 'FILE', help: "ranges and facts, instead of the device's _info" },
    'no-collect': { help: 'leave out the kernel and its extensions' },
    ...RESAMPLE_OPTIONS,
  },
  operands: [0, 0],
  async run({ options, log, io }) {
    return io.transmit(
      readOsxpmem(log, {
        device: options.value('device'),
        info: options.value('info'),
        collect: !options.flag('no-collect'),
        resample: resamplingOf({ options, io }),
        batchesAlive: io.batchesAlive,
        sampling: io.sampling,
      }),
    )
  },
}

export interface OsxpmemOptions {
  readonly device: string | undefined
  readonly info: string | undefined
  /** Also emit the files that help to analyse the memory. */
  readonly collect: boolean
  readonly resample?: Resampling
  readonly batchesAlive?: number
  /** Reads only so much of the memory. */
  readonly sampling?: Sampling | undefined
}

/**
 * The physical memory as frames, then what the driver told, and the kernel's files.
 * @throws {ToolError} when the device can't be read, with the cause and the next step
 */
export async function* readOsxpmem(log: Log, options: OsxpmemOptions): Frames {
  // With its YAML library, which pmem-read does without elsewhere.
  const { planAcquisition } = await import('./osxpmem/plan.js')
  const plan = planAcquisition(options.device, options.info)
  const { fd, ram, infoFile, infoText } = plan
  try {
    const size = ram.reduce((sum, { length }) => sum + length, 0n)
    log.verbose(`${plan.device}: ${showSize(size)} of RAM in ${ram.length} ranges of ${infoFile}`)
    const read: ReadBytes = (address, length, slab) =>
      slab.subarray(0, readUninterrupted(fd, slab, 0, length, address))
    const { warnings } = plan
    const { batchesAlive } = options
    yield* physicalMemory({
      ram,
      turtle: factsOf(plan.info),
      warnings,
      spans: ram,
      read,
      pageSize: PAGE_SIZE,
      program: PROGRAM,
      log,
      live: plan.live,
      resample: options.resample,
      batchesAlive,
      sampling: options.sampling,
    })
    const told = [{ path: infoFile, bytes: infoText, cut: false }]
    const files = options.collect && plan.live ? kernelFiles() : []
    yield* helperStreams(LOCAL_FILES, told, files, MEMORY + 1, PROGRAM, batchesAlive)
  } finally {
    fs.closeSync(fd)
  }
}

function factsOf(info: PmemInfo): string {
  const number = (value: bigint | undefined) => (value === undefined ? undefined : long(value))
  const known: Facts = {
    system: 'macOS',
    machine: BigInt(MACHINE.x64!),
    pageSize: BigInt(PAGE_SIZE),
    pageTableRoot: info.dtb,
    cr3: info.cr3,
    kernelVersion: info.kernelVersion,
    kaslrShift: info.kaslrSlide,
  }
  return describe(['pmem:MacMemory'], {
    ...propertiesOf(known),
    'aff4:memoryInstalledSize': number(info.memorySize),
    'aff4:OSXDTBPhysicalOffset': number(info.dtb),
    'aff4:OSXKALSRSlide': number(info.kaslrSlide),
    'aff4:OSXKernelPhysicalOffset': number(info.kernelOffset),
    'aff4:OSXVersionPhysicalOffset': number(info.versionOffset),
    'pmem:driverInterface': long(info.apiVersion),
  })
}
