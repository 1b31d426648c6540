import fs from 'node:fs'
import os from 'node:os'
import { reasonOf } from '../cli/failure.js'
import type { Log } from '../cli/messages.js'
import { showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import type { Facts } from '../formats/image/facts.js'
import type { Frame, Frames, NoteBody } from '../frames/frame.js'
import { readPseudoFile } from '../platform/pseudo-file.js'
import { describe, long, propertiesOf } from './facts.js'
import { captureFiles, helperStreams } from './helper-files.js'
import { hiddenSymbols, lastingFiles, VOLATILE_FILES } from './kcore/helpers.js'
import { type Plan, planAcquisition } from './kcore/plan.js'
import { openFaults, pieceReader, ramSpans } from './kcore/ram-spans.js'
import { MEMORY, physicalMemory } from './physical-memory.js'

const PROGRAM = 'pmem-read-kcore'
const MOST_FACT = 1 << 16

export const tool: Tool = {
  name: PROGRAM,
  role: 'source',
  usage: '',
  summary: 'emit the physical memory of this Linux machine, read through /proc/kcore',
  options: {
    kcore: { value: 'FILE', help: 'read this instead of /proc/kcore' },
    iomem: { value: 'FILE', help: 'ranges of RAM, instead of /proc/iomem' },
    'no-collect': { help: 'leave out the files that help to analyse the memory' },
  },
  operands: [0, 0],
  run: ({ options, log, io }) =>
    io.transmit(
      readKcore(log, {
        kcore: options.value('kcore'),
        iomem: options.value('iomem'),
        collect: !options.flag('no-collect'),
        batchesAlive: io.batchesAlive,
      }),
    ),
}

export interface KcoreOptions {
  readonly kcore: string | undefined
  readonly iomem: string | undefined
  /** Also emit the files that help to analyse the memory. */
  readonly collect: boolean
  readonly batchesAlive?: number
}

/**
 * The physical memory as frames, then the helper files.
 * @throws {ToolError} when kcore can't be read, with the cause and the next step
 */
export async function* readKcore(log: Log, options: KcoreOptions): Frames {
  const plan = planAcquisition(options.kcore, options.iomem)
  const problems: string[] = []
  const faults = openFaults(plan.pageFlags, plan.pageSize, (why) => problems.push(why))
  try {
    announce(log, plan)
    const collect = options.collect && plan.live
    const captured = collect ? captureFiles(VOLATILE_FILES) : []
    yield* physicalMemory({
      ram: plan.ram,
      turtle: factsOf(plan),
      warnings: plan.warnings,
      outcome: () => [...problems, ...iomemChanges(plan)],
      spans: ramSpans(plan.pieces, plan.missing, faults.find),
      read: pieceReader(
        (position, into) => fs.readSync(plan.fd, into, 0, into.length, position),
        plan.pieces,
      ),
      pageSize: Number(plan.pageSize),
      program: PROGRAM,
      log,
      batchesAlive: options.batchesAlive,
    })
    const hidden = hiddenSymbols(captured)
    if (hidden !== undefined) yield [warningFrame(hidden)]
    if (collect)
      yield* helperStreams(
        captured,
        lastingFiles(plan.facts.kernelRelease ?? os.release()),
        MEMORY + 1,
        PROGRAM,
        options.batchesAlive,
      )
  } finally {
    faults.close()
    fs.closeSync(plan.fd)
  }
}

function announce(log: Log, { choice, warnings, ram, missing }: Plan): void {
  if (!warnings.includes(choice)) log.verbose(choice)
  const size = ram.reduce((sum, { length }) => sum + length, 0n)
  log.verbose(`${showSize(size)} of RAM in ${ram.length} ranges`)
  const hidden = missing.reduce((sum, { length }) => sum + length, 0n)
  if (hidden > 0n) log.warn(`${showSize(hidden)} of RAM is shown by no segment of kcore`)
}

function factsOf(plan: Plan): string {
  const { facts, kcore, live } = plan
  const known: Facts = {
    ...facts,
    system: 'Linux',
    machine: BigInt(kcore.machine),
    pageSize: plan.pageSize,
    kernelVersion: live ? textOfFile('/proc/version') : undefined,
    bootCommandLine: live ? textOfFile('/proc/cmdline') : undefined,
    hypervisor: live ? textOfFile('/sys/hypervisor/type') : undefined,
    directMapBase: plan.directMapBase,
    vmcoreinfo: plan.vmcoreinfo,
  }
  return describe(['pmem:LinuxMemory'], {
    ...propertiesOf(known),
    'aff4:OSXKALSRSlide': facts.kaslrShift === undefined ? undefined : long(facts.kaslrShift),
  })
}

function textOfFile(path: string): string | undefined {
  try {
    return readPseudoFile(path, MOST_FACT).bytes.toString('utf8').trimEnd()
  } catch {
    return undefined
  }
}

/** Memory that was plugged in or taken away while it was read. */
function iomemChanges({ iomem }: Plan): string[] {
  if (!iomem) return []
  const ram = (text: string) => text.split('\n').filter((line) => line.includes(': System RAM'))
  const before = ram(iomem.text)
  const [again] = captureFiles([iomem.path])
  if (!again || 'error' in again) return [`${iomem.path} can't be read again: ${reasonOf(again?.error)}`]
  const after = ram(Buffer.from(again.bytes).toString('latin1'))
  if (before.join('\n') === after.join('\n')) return []
  const only = (these: string[], those: string[]) =>
    these.filter((line) => !those.includes(line)).map((line) => line.trim())
  return [
    `RAM changed while it was read: gone ${JSON.stringify(only(before, after))}, new ${JSON.stringify(only(after, before))}`,
  ]
}

function warningFrame(message: string): Frame {
  const body: NoteBody = { level: 'warning', program: PROGRAM, message }
  return { type: 'note', stream: 0, time: 0n, body }
}
