import type { OptionTable } from '../../cli/arguments.js'
import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import type { Sampling } from '../../cli/sampling.js'
import { showSize } from '../../cli/sizes.js'
import type { Facts } from '../../formats/image/facts.js'
import type { Frame, Frames, NoteBody } from '../../frames/frame.js'
import { type SystemFiles, textOf } from '../../platform/system-files.js'
import { announceSpans } from '../announce-spans.js'
import { describe, long, propertiesOf } from '../facts.js'
import { fileReader } from '../file-reader.js'
import { captureFiles, helperStreams } from '../helper-files.js'
import { MEMORY, physicalMemory } from '../physical-memory.js'
import type { Resampling } from '../smear/options.js'
import { hiddenSymbols, lastingFiles, VOLATILE_FILES } from './helpers.js'
import { type Plan, planAcquisition } from './plan.js'
import { exceptFaults, openFaults, placeIn, ramSpans } from './ram-spans.js'

const BOOT_ID = '/proc/sys/kernel/random/boot_id'
const RELEASE = '/proc/sys/kernel/osrelease'

/** Of every tool that reads kcore. */
export const KCORE_OPTIONS: OptionTable = {
  kcore: { value: 'FILE', help: 'read this instead of /proc/kcore' },
  iomem: { value: 'FILE', help: 'ranges of RAM, instead of /proc/iomem' },
  'no-collect': { help: 'leave out the files that help to analyse the memory' },
}

export interface KcoreOptions {
  /** Named in notes. */
  readonly program: string
  readonly kcore: string | undefined
  readonly iomem: string | undefined
  /** Also emit the files that help to analyse the memory. */
  readonly collect: boolean
  readonly resample?: Resampling | undefined
  /** What else is known of the running machine. */
  readonly facts?: Facts
  readonly batchesAlive?: number | undefined
  /** Told what is going to be read. */
  readonly onPlan?: (plan: Plan) => void
  /** Reads only so much of the memory. */
  readonly sampling?: Sampling | undefined
}

/**
 * The physical memory of a Linux machine as frames, then the helper files.
 * @param files of the machine
 * @throws {ToolError} when kcore can't be read, with the cause and the next step
 */
export async function* kcoreMemory(files: SystemFiles, log: Log, options: KcoreOptions): Frames {
  const { program, batchesAlive } = options
  const plan = await planAcquisition(files, options.kcore, options.iomem)
  const { file, pieces } = plan
  options.onPlan?.(plan)
  const problems: string[] = []
  const faults = await openFaults(files, plan.pageFlags, plan.pageSize, (why) => problems.push(why))
  try {
    announce(log, plan)
    const collect = options.collect && plan.live
    const captured = collect ? await captureFiles(files, VOLATILE_FILES) : []
    const read = fileReader(file, placeIn(pieces))
    const spans = announceSpans(ramSpans(pieces, plan.missing, faults.find), file, placeIn(pieces))
    yield* physicalMemory({
      ram: plan.ram,
      turtle: await factsOf(files, plan, options.facts),
      warnings: plan.warnings,
      outcome: async () => [...problems, ...(await iomemChanges(files, plan))],
      spans,
      read,
      reread: exceptFaults(read, faults.find),
      live: plan.live,
      resample: options.resample,
      pageSize: Number(plan.pageSize),
      program,
      log,
      batchesAlive,
      sampling: options.sampling,
    })
    const hidden = hiddenSymbols(captured)
    if (hidden !== undefined) yield [warningFrame(program, hidden)]
    if (!collect) return
    const release = plan.facts.kernelRelease ?? (await textOf(files, RELEASE))?.trim() ?? ''
    yield* helperStreams(files, captured, lastingFiles(release), MEMORY + 1, program, batchesAlive)
  } finally {
    faults.close()
    file.close()
  }
}

/** Where in the memory a place in kcore stands. */
export function addressAt(
  { path, pieces }: Plan,
  at: { readonly path: string; readonly offset: bigint },
): bigint | undefined {
  if (at.path !== path) return undefined
  const piece = pieces.find(
    ({ fileOffset, length }) => at.offset >= fileOffset && at.offset <= fileOffset + length,
  )
  return piece && piece.start + (at.offset - piece.fileOffset)
}

function announce(log: Log, { choice, warnings, ram, missing }: Plan): void {
  if (!warnings.includes(choice)) log.verbose(choice)
  const size = ram.reduce((sum, { length }) => sum + length, 0n)
  log.verbose(`${showSize(size)} of RAM in ${ram.length} ranges`)
  const hidden = missing.reduce((sum, { length }) => sum + length, 0n)
  if (hidden > 0n) log.warn(`${showSize(hidden)} of RAM is shown by no segment of kcore`)
}

async function factsOf(files: SystemFiles, plan: Plan, more: Facts | undefined): Promise<string> {
  const { facts, kcore, live } = plan
  const told = async (path: string) => (live ? (await textOf(files, path))?.trimEnd() : undefined)
  const known: Facts = {
    ...facts,
    ...(live && more),
    system: 'Linux',
    machine: BigInt(kcore.machine),
    pageSize: plan.pageSize,
    kernelVersion: await told('/proc/version'),
    bootId: (await told(BOOT_ID))?.trim(),
    bootCommandLine: await told('/proc/cmdline'),
    hypervisor: await told('/sys/hypervisor/type'),
    directMapBase: plan.directMapBase,
    vmcoreinfo: plan.vmcoreinfo,
  }
  return describe(['pmem:LinuxMemory'], {
    ...propertiesOf(known),
    'aff4:OSXKALSRSlide': facts.kaslrShift === undefined ? undefined : long(facts.kaslrShift),
  })
}

/** Memory that was plugged in or taken away while it was read. */
async function iomemChanges(files: SystemFiles, { iomem }: Plan): Promise<string[]> {
  if (!iomem) return []
  const ram = (text: string) => text.split('\n').filter((line) => line.includes(': System RAM'))
  const before = ram(iomem.text)
  const [again] = await captureFiles(files, [iomem.path])
  if (!again || 'error' in again) return [`${iomem.path} can't be read again: ${reasonOf(again?.error)}`]
  const after = ram(Buffer.from(again.bytes).toString('latin1'))
  if (before.join('\n') === after.join('\n')) return []
  const only = (these: string[], those: string[]) =>
    these.filter((line) => !those.includes(line)).map((line) => line.trim())
  return [
    `RAM changed while it was read: gone ${JSON.stringify(only(before, after))}, new ${JSON.stringify(only(after, before))}`,
  ]
}

function warningFrame(program: string, message: string): Frame {
  const body: NoteBody = { level: 'warning', program, message }
  return { type: 'note', stream: 0, time: 0n, body }
}
