import type { Options } from '../cli/arguments.js'
import { EXIT, ToolError } from '../cli/exit.js'
import type { Log } from '../cli/messages.js'
import type { Sampling } from '../cli/sampling.js'
import { showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import { formatAddress } from '../frames/address.js'
import type { Batch, Frames } from '../frames/frame.js'
import type { Handle, Win32 } from '../platform/windows/win32.js'
import { ACQUISITION_MODE, type AcquisitionMode, WINPMEM_DEVICE } from '../platform/windows/winpmem-codes.js'
import { isDriverGone } from '../platform/windows/winpmem-device.js'
import { PAGE_SIZE } from '../platform/windows/winpmem-info.js'
import type { ReadBytes } from './address-space-frames.js'
import { MEMORY, physicalMemory } from './physical-memory.js'
import { RESAMPLE_OPTIONS, type Resampling, resamplingOf } from './smear/options.js'
import { openDriver } from './winpmem/driver.js'
import { memoryFacts } from './winpmem/facts.js'
import { leaveLoaded, removeLoaded } from './winpmem/load.js'
import { planAcquisition, rangesChange } from './winpmem/plan.js'
import { asRefusal } from './winpmem/refusal.js'

const PROGRAM = 'pmem-read-winpmem'

export const tool: Tool = {
  name: PROGRAM,
  role: 'source',
  usage: '',
  summary: 'emit the physical memory of this Windows machine, read through the WinPmem driver',
  options: {
    driver: { value: 'FILE', help: 'load this driver, or VOLUME:MEMBER, where none is loaded' },
    mode: { value: 'pte|physical|iospace', help: 'how the driver is to read memory' },
    load: { help: 'load the driver, leave it loaded, and read nothing' },
    unload: { help: 'unload the driver that --load has left, and read nothing' },
    'no-collect': { help: 'leave out page files, kernel and drivers' },
    ...RESAMPLE_OPTIONS,
  },
  operands: [0, 0],
  async run({ options, log, io }) {
    const mode = parseMode(options.value('mode'))
    const driver = options.value('driver')
    refuseIdle(options)
    if (options.flag('unload')) return removeLoaded(await thisMachine(), log)
    if (options.flag('load')) return leaveLoaded(await thisMachine(), driver, log)
    const collect = !options.flag('no-collect')
    const resample = resamplingOf({ options, io })
    const { batchesAlive, sampling } = io
    return io.transmit(readHere(log, { driver, mode, collect, resample, batchesAlive, sampling }))
  },
}

const OF_READING = ['mode', 'no-collect', ...Object.keys(RESAMPLE_OPTIONS)]
/** Options that say nothing to who only loads or unloads. */
const IDLE: Readonly<Record<string, readonly string[]>> = {
  unload: ['load', 'driver', ...OF_READING],
  load: OF_READING,
}

function refuseIdle(options: Options): void {
  for (const [task, others] of Object.entries(IDLE)) {
    const idle = options.flag(task) ? others.find((name) => options.flag(name)) : undefined
    if (idle !== undefined) throw new ToolError(EXIT.usage, `--${task} does not go with --${idle}`)
  }
}

/** Windows itself. Its libraries are loaded only where they are needed. */
async function thisMachine(): Promise<Win32> {
  return (await import('../platform/windows/this-machine.js')).win32ForThisMachine()
}

async function* readHere(log: Log, options: WinpmemOptions): Frames {
  yield* readWinpmem(await thisMachine(), log, options)
}

function parseMode(word: string | undefined): AcquisitionMode | undefined {
  if (word === undefined) return undefined
  const mode = Object.keys(ACQUISITION_MODE).find((name): name is AcquisitionMode => name === word)
  if (mode !== undefined) return mode
  throw new ToolError(EXIT.usage, `--mode ${word}: not pte, physical or iospace`)
}

export interface WinpmemOptions {
  /** Loaded where none is; undefined looks for one beside the tool. */
  readonly driver: string | undefined
  /** The only one to try. */
  readonly mode: AcquisitionMode | undefined
  /** Also emit the files that help to analyse the memory. */
  readonly collect: boolean
  readonly resample?: Resampling
  readonly batchesAlive?: number
  /** Reads only so much of the memory. */
  readonly sampling?: Sampling | undefined
}

/**
 * The physical memory as frames, then the files that belong to it. A driver that was not loaded before is gone when
 * the memory ends, however it does.
 * @throws {ToolError} naming the cause of a refusal and the next step
 */
export async function* readWinpmem(win32: Win32, log: Log, options: WinpmemOptions): AsyncGenerator<Batch> {
  const driver = await openDriver(win32, options.driver, log)
  try {
    const plan = await planAcquisition(win32, driver, options.mode)
    const { ram, warnings } = plan
    log.verbose(plan.choice)
    const size = ram.reduce((sum, { length }) => sum + length, 0n)
    log.verbose(`${showSize(size)} of RAM in ${ram.length} ranges`)
    yield* physicalMemory({
      ram,
      turtle: memoryFacts(plan, driver.loaded),
      warnings,
      outcome: () => rangesChange(win32, driver.device, plan),
      spans: ram,
      read: memoryReader(win32, driver.device),
      pageSize: PAGE_SIZE,
      program: PROGRAM,
      log,
      live: true,
      resample: options.resample,
      batchesAlive: options.batchesAlive,
      sampling: options.sampling,
    })
  } finally {
    driver.close()
  }
  if (options.collect) {
    // Page files are on NTFS, whose reader nobody else needs.
    const { collect } = await import('./winpmem/collect.js')
    yield* collect(win32, { ...options, firstId: MEMORY + 1, program: PROGRAM, log })
  }
}

/** Reads physical memory. A page that fails is one that the driver can't reach, unless the driver itself is gone. */
function memoryReader(win32: Win32, device: Handle): ReadBytes {
  return async (address, length, slab) => {
    const place = slab.subarray(0, length)
    try {
      return place.subarray(0, await win32.read(device, address, place))
    } catch (error) {
      if (isDriverGone(error)) throw asRefusal(`${WINPMEM_DEVICE}: at ${formatAddress(address)}`, error)
      throw error
    }
  }
}
