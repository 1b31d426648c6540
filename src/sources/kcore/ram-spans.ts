import { reasonOf } from '../../cli/failure.js'
import { byStart, type Run } from '../../formats/address-space.js'
import { isDamage } from '../../formats/format-error.js'
import type { Piece } from '../../platform/linux/kcore.js'
import { type FaultyRun, faultyRuns } from '../../platform/linux/page-flags.js'
import type { SystemFile, SystemFiles } from '../../platform/system-files.js'
import type { ReadBytes, Span } from '../address-space-frames.js'

/** RAM whose page flags are looked up at once, shortly before it is read. */
const WINDOW = 32n << 20n

const WHY = {
  poisoned: 'failed in hardware: kcore gives zeros for it',
  offline: 'given back to the hypervisor or never plugged in: kcore gives zeros for it',
  absent: 'an offline block of memory: zeros there tell nothing',
} as const

/** Looks up which pages of a range kcore only pretends to read. */
export type FindFaults = (run: Run) => readonly FaultyRun[] | Promise<readonly FaultyRun[]>

/** All RAM in ascending order: what to read, and what can't be. */
export async function* ramSpans(
  pieces: readonly Piece[],
  missing: readonly Run[],
  findFaults: FindFaults,
): AsyncGenerator<Span> {
  const parts = [
    ...pieces.map(({ start, length }) => ({ start, length, shown: true })),
    ...missing.map(({ start, length }) => ({ start, length, shown: false })),
  ].sort(byStart)
  for (const { start, length, shown } of parts) {
    if (!shown)
      yield {
        start,
        length,
        fill: 'unreadable',
        note: { level: 'warning', message: 'System RAM that no segment of kcore shows' },
      }
    else
      for (const window of windows({ start, length })) yield* withoutFaults(window, await findFaults(window))
  }
}

function* windows({ start, length }: Run): Generator<Run> {
  const end = start + length
  for (let at = start; at < end; at += WINDOW)
    yield { start: at, length: end - at < WINDOW ? end - at : WINDOW }
}

function* withoutFaults(run: Run, faults: readonly FaultyRun[]): Generator<Span> {
  let at = run.start
  for (const { start, length, fault } of faults) {
    if (start > at) yield { start: at, length: start - at }
    // Absent pages still read on kernels before 5.14; there zeros tell nothing.
    const note = { level: 'warning', message: WHY[fault] } as const
    if (fault === 'absent') yield { start, length, zerosAreUnreadable: true, note }
    else yield { start, length, fill: 'unreadable', note }
    at = start + length
  }
  const end = run.start + run.length
  if (end > at) yield { start: at, length: end - at }
}

/**
 * Faults from kpageflags. Where it can't be read, `onFailure` is told once, and no page counts as faulty.
 * @param files of the machine whose memory it is
 * @param path undefined when the flags of this kernel are not those of the memory
 */
export async function openFaults(
  files: SystemFiles,
  path: string | undefined,
  pageSize: bigint,
  onFailure: (why: string) => void,
): Promise<{ find: FindFaults; close(): void }> {
  let flags: SystemFile | undefined
  const giveUp = (error: unknown) => {
    if (!isDamage(error)) throw error
    onFailure(`pages that read as zeros because they failed can't be told: ${reasonOf(error)}`)
    close()
  }
  const close = () => {
    flags?.close()
    flags = undefined
  }
  try {
    if (path !== undefined) flags = await files.open(path)
  } catch (error) {
    giveUp(error)
  }
  return {
    close,
    async find(run) {
      if (!flags) return []
      const faults: FaultyRun[] = []
      try {
        const { read } = flags
        for await (const fault of faultyRuns(read, run, pageSize)) faults.push(fault)
      } catch (error) {
        giveUp(error)
        return []
      }
      return faults
    },
  }
}

/** Reads nothing where a page has a fault by now. */
export const exceptFaults =
  (read: ReadBytes, findFaults: FindFaults): ReadBytes =>
  async (address, length, slab) =>
    (await findFaults({ start: address, length: BigInt(length) })).length > 0
      ? slab.subarray(0, 0)
      : read(address, length, slab)

/** Where an address of RAM stands in kcore. */
export function placeIn(pieces: readonly Piece[]): (address: bigint) => bigint {
  let current = 0
  return (address) => {
    const inside = (piece: Piece) => address >= piece.start && address < piece.start + piece.length
    if (!inside(pieces[current]!)) current = pieces.findIndex(inside)
    const piece = pieces[current]!
    return piece.fileOffset + (address - piece.start)
  }
}
