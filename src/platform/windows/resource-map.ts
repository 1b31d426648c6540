/*
 * The resource map of physical memory: CM_RESOURCE_LIST (wdm.h), as the registry holds it. Little-endian.
 *
 *   CM_RESOURCE_LIST                 0 Count; then so many
 *   CM_FULL_RESOURCE_DESCRIPTOR      0 InterfaceType  4 BusNumber  8 Version (16)  10 Revision (16)  12 Count; then so many
 *   CM_PARTIAL_RESOURCE_DESCRIPTOR   0 Type (8)  1 ShareDisposition (8)  2 Flags (16)  4 Start (64)  12 Length
 *
 * A partial descriptor is a union, whose longest member is 16 bytes on x64 and 12 on x86.
 */

import { mergeRuns, type Run } from '../../formats/address-space.js'
import type { Bytes } from '../../formats/byte-source.js'
import { FormatError } from '../../formats/format-error.js'

/** Below HKEY_LOCAL_MACHINE. */
export const PHYSICAL_MEMORY_KEY = 'HARDWARE\\RESOURCEMAP\\System Resources\\Physical Memory'
export const PHYSICAL_MEMORY_VALUE = '.Translated'

const LIST_SIZE = 4
const FULL_SIZE = 16
const PARTIAL_SIZES = [20, 16] as const

const TYPE_MEMORY = 3
const TYPE_MEMORY_LARGE = 7
/** By how many bits the length of large memory is shifted. */
const LARGE_SHIFTS: readonly (readonly [flag: number, shift: bigint])[] = [
  [0x0200, 8n],
  [0x0400, 16n],
  [0x0800, 32n],
]
const PAGE = 0x1000n

/**
 * Ranges of RAM in whole pages, ascending; those that touch are one.
 * @throws {FormatError} when it is not a list of resources, or one without memory
 */
export function decodePhysicalMemory(list: Bytes): Run[] {
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength)
  for (const size of PARTIAL_SIZES) {
    const memory = readList(view, size)
    if (memory === undefined) continue
    try {
      const runs = mergeRuns(memory.map(wholePages))
      if (runs.length > 0) return runs
    } catch (error) {
      throw new FormatError(`resource map: ${(error as Error).message}`)
    }
    throw new FormatError('resource map: no memory')
  }
  throw new FormatError('resource map: cut, or no list of resources')
}

/** Undefined where descriptors of this size don't fill the list. */
function readList(view: DataView, size: number): Run[] | undefined {
  if (view.byteLength < LIST_SIZE) return undefined
  const memory: Run[] = []
  const count = view.getUint32(0, true)
  let at = LIST_SIZE
  for (let full = 0; full < count; full++) {
    if (at + FULL_SIZE > view.byteLength) return undefined
    const partials = view.getUint32(at + 12, true)
    at += FULL_SIZE
    if (at + partials * size > view.byteLength) return undefined
    for (const end = at + partials * size; at < end; at += size) {
      const run = readPartial(view, at)
      if (run) memory.push(run)
    }
  }
  return at === view.byteLength ? memory : undefined
}

/** Undefined where the resource is no memory. */
function readPartial(view: DataView, at: number): Run | undefined {
  const type = view.getUint8(at)
  const flags = view.getUint16(at + 2, true)
  const start = view.getBigUint64(at + 4, true)
  const length = BigInt(view.getUint32(at + 12, true))
  if (type === TYPE_MEMORY) return { start, length }
  if (type !== TYPE_MEMORY_LARGE) return undefined
  const shift = LARGE_SHIFTS.find(([flag]) => (flags & flag) !== 0)?.[1]
  if (shift === undefined) throw new FormatError('resource map: large memory without its unit', BigInt(at))
  return { start, length: length << shift }
}

function wholePages({ start, length }: Run): Run {
  const end = start + length
  const first = start + ((PAGE - (start % PAGE)) % PAGE)
  const last = end - (end % PAGE)
  return { start: first, length: last > first ? last - first : 0n }
}
