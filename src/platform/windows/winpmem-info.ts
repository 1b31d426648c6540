/*
 * What WinPmem's GET_INFO answers: struct WINPMEM_MEMORY_INFO (winpmem_shared.h), packed by 2, little-endian, every
 * field 64 bits. 2.0 and later have room for 64 processors on x64; 1.x, and any driver for x86, for 32.
 *
 *   offset with 32 / 64   field
 *   0x000                 CR3 of the System process
 *   0x008                 NtBuildNumber
 *   0x010                 KernBase
 *   0x018                 KDBG
 *   0x020                 KPCR[32] / KPCR[64]
 *   0x120 / 0x220         PfnDataBase
 *   0x128 / 0x228         PsLoadedModuleList
 *   0x130 / 0x230         PsActiveProcessHead
 *   0x138 / 0x238         NtBuildNumberAddr
 *   0x140 / 0x240         Padding[0xfe]
 *   0x930 / 0xa30         NumberOfRuns
 *   0x938 / 0xa38         Run[]: BaseAddress, NumberOfBytes
 */

import type { Run } from '../../formats/address-space.js'
import type { Bytes } from '../../formats/byte-source.js'
import { FormatError } from '../../formats/format-error.js'

/** Room for any generation's answer. */
export const INFO_ROOM = 64 << 10

const CR3 = 0x000
const NT_BUILD_NUMBER = 0x008
const KERN_BASE = 0x010
const KDBG = 0x018
const KPCR = 0x020
/** Of the fields behind KPCR, counted from its end. */
const PFN_DATABASE = 0x000
const PS_LOADED_MODULE_LIST = 0x008
const PS_ACTIVE_PROCESS_HEAD = 0x010
const NT_BUILD_NUMBER_ADDR = 0x018
const NUMBER_OF_RUNS = 0x810
const RUN = 0x818
const RUN_SIZE = 16

/** Windows lists a few dozens at most; a length of whole pages in this place is larger. */
const MOST_RUNS = 0xfffn
/** Of x86 and x64. */
export const PAGE_SIZE = 0x1000
const PAGE = BigInt(PAGE_SIZE)
/** A file offset is signed: what lies above can't be read. */
export const END_OF_ADDRESSES = 1n << 63n

/** For how many processors the struct has room: the longer one first, whose padding is zeros to the other. */
const LAYOUTS = [64, 32] as const
type Processors = (typeof LAYOUTS)[number]

/** A field that the driver leaves empty is 0. */
export interface WinpmemInfo {
  readonly cr3: bigint
  readonly ntBuildNumber: bigint
  readonly kernBase: bigint
  readonly kdbg: bigint
  /** Undefined where the layout can't be told. */
  readonly kernel:
    | {
        /** Of each processor that has one. */
        readonly kpcr: readonly bigint[]
        readonly pfnDataBase: bigint
        readonly psLoadedModuleList: bigint
        readonly psActiveProcessHead: bigint
        readonly ntBuildNumberAddr: bigint
      }
    | undefined
  /** Ranges of RAM, ascending; undefined where the driver does not list all of them. */
  readonly runs: readonly Run[] | undefined
}

/**
 * Decodes an answer. Its layout is the one in which its list of runs makes sense; versions tell nothing.
 * @throws {FormatError} when it makes sense in none
 */
export function decodeWinpmemInfo(answer: Bytes): WinpmemInfo {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength)
  if (view.byteLength < KPCR) throw new FormatError(`memory info of ${view.byteLength} bytes`)
  const lists = LAYOUTS.map((processors) => readRuns(view, processors)).filter((list) => list !== undefined)
  const best = lists.find(({ complete }) => complete) ?? lists.find(({ count }) => count > 0)
  if (!best && lists.length === 0) throw new FormatError('memory info lists ranges that no memory has')
  return {
    cr3: view.getBigUint64(CR3, true),
    ntBuildNumber: view.getBigUint64(NT_BUILD_NUMBER, true),
    kernBase: view.getBigUint64(KERN_BASE, true),
    kdbg: view.getBigUint64(KDBG, true),
    kernel: best && readKernel(view, best.processors),
    runs: best?.complete ? best.runs : undefined,
  }
}

interface RunList {
  readonly processors: Processors
  /** How many there should be. */
  readonly count: number
  readonly runs: readonly Run[]
  readonly complete: boolean
}

/** The list of runs by one of the layouts; undefined where that can't be what was meant. */
function readRuns(view: DataView, processors: Processors): RunList | undefined {
  const base = KPCR + 8 * processors
  if (base + RUN > view.byteLength) return undefined
  const count = view.getBigUint64(base + NUMBER_OF_RUNS, true)
  if (count > MOST_RUNS) return undefined
  const runs: Run[] = []
  let end = 0n
  for (let at = base + RUN; BigInt(runs.length) < count && at + RUN_SIZE <= view.byteLength; at += RUN_SIZE) {
    const start = view.getBigUint64(at, true)
    const length = view.getBigUint64(at + 8, true)
    if (length === 0n) break
    if (start < end || start % PAGE !== 0n || length % PAGE !== 0n) return undefined
    end = start + length
    if (end > END_OF_ADDRESSES) return undefined
    runs.push({ start, length })
  }
  const complete = count > 0n && BigInt(runs.length) === count
  return { processors, count: Number(count), runs, complete }
}

function readKernel(view: DataView, processors: Processors): WinpmemInfo['kernel'] {
  const base = KPCR + 8 * processors
  const kpcr = Array.from({ length: processors }, (_, index) => view.getBigUint64(KPCR + 8 * index, true))
  return {
    kpcr: kpcr.filter((address) => address !== 0n),
    pfnDataBase: view.getBigUint64(base + PFN_DATABASE, true),
    psLoadedModuleList: view.getBigUint64(base + PS_LOADED_MODULE_LIST, true),
    psActiveProcessHead: view.getBigUint64(base + PS_ACTIVE_PROCESS_HEAD, true),
    ntBuildNumberAddr: view.getBigUint64(base + NT_BUILD_NUMBER_ADDR, true),
  }
}
