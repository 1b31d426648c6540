import fs from 'node:fs'
import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import type { Run } from '../../formats/address-space.js'
import { FormatError } from '../../formats/format-error.js'
import type { Facts } from '../../formats/image/facts.js'
import { kernelFacts, parseVmcoreinfo } from '../../formats/linux/vmcoreinfo.js'
import { explainKcoreRefusal, readAuthority } from '../../platform/linux/authority.js'
import { addressesHidden, parseIomem, ramRuns, systemRam } from '../../platform/linux/iomem.js'
import {
  directMap,
  imageBase,
  type Kcore,
  type KcoreSegment,
  kernelImage,
  locate,
  type Piece,
  type ReadAt,
  readKcoreHeaders,
  segmentRuns,
} from '../../platform/linux/kcore.js'
import { readPseudoFile } from '../../platform/pseudo-file.js'
import { readVmcoreinfoText } from './vmcoreinfo-text.js'

const KCORE = '/proc/kcore'
const PROC_SUPER_MAGIC = 0x9fa0
/** Of the processors that Linux runs on. */
const PAGE_SIZES = [4096n, 8192n, 16384n, 65536n]
const MOST_IOMEM = 16 << 20

/** What is going to be read and how, settled before the first frame. */
export interface Plan {
  readonly fd: number
  readonly kcore: Kcore
  /** This kernel's own kcore, not a copy of one: what else the kernel tells belongs to the same memory. */
  readonly live: boolean
  readonly ram: readonly Run[]
  /** Where RAM reads. */
  readonly pieces: readonly Piece[]
  /** RAM that nothing shows. */
  readonly missing: readonly Run[]
  readonly pageSize: bigint
  /** Virtual minus physical address of RAM. */
  readonly directMapBase: bigint
  readonly vmcoreinfo: string | undefined
  readonly facts: Facts
  /** Where the ranges come from, and its text; undefined where they are kcore's own. */
  readonly iomem: { readonly path: string; readonly text: string } | undefined
  /** /proc/kpageflags of the same kernel. */
  readonly pageFlags: string | undefined
  /** Which way was chosen. */
  readonly choice: string
  /** What an analyst must know about it. */
  readonly warnings: readonly string[]
}

/**
 * Probes kcore and iomem and settles what to read.
 * @param kcorePath, iomemPath as the user named them
 * @throws {ToolError} naming the cause of a refusal and the next step
 */
export function planAcquisition(kcorePath: string | undefined, iomemPath: string | undefined): Plan {
  const file = kcorePath ?? KCORE
  const fd = openKcore(file, kcorePath !== undefined)
  const read = readerOf(fd)
  const live = fs.statfsSync(file).type === PROC_SUPER_MAGIC
  const warnings: string[] = []

  refuseEmpty(file, read)
  const kcore = inFile(file, () => readKcoreHeaders(read))
  const vmcoreinfo = vmcoreinfoOf(kcore, read, live, warnings)
  const image = kernelImage(kcore)
  const facts = kernelFacts(parseVmcoreinfo(vmcoreinfo ?? ''), kcore.machine, image && imageBase(image))
  const pageSize = PAGE_SIZES.find((size) => size === facts.pageSize) ?? 4096n

  const iomem = readIomem(iomemPath, live ? path.join(path.dirname(file), 'iomem') : undefined)
  const listed = iomem && listedRam(iomem, pageSize)
  const segments = inFile(file, () => directMap(kcore, listed ?? []))
  const ram = listed ?? segmentRuns(segments)
  const choice = listed
    ? `${file}: ranges of RAM from ${iomem.path}`
    : `${file}: ranges of RAM are its own (${iomem ? `${iomem.path} hides addresses; it shows them with CAP_SYS_ADMIN` : 'there is no iomem'})`
  if (!listed && (live || iomem)) warnings.push(choice)

  const { pieces, missing } = locate(ram, segments)
  if (pieces.length === 0) throw new ToolError(EXIT.data, `${file}: shows none of the RAM of ${iomem?.path}`)
  if (!directMapHolds(kcore, segments, read))
    warnings.push(`${file}: the kernel's code reads otherwise through the map of RAM: addresses may be wrong`)

  return {
    fd,
    kcore,
    live,
    ram,
    pieces,
    missing,
    pageSize,
    directMapBase: segments[0]!.virtual - segments[0]!.physical,
    vmcoreinfo,
    facts,
    iomem: listed && iomem,
    pageFlags: live ? path.join(path.dirname(file), 'kpageflags') : undefined,
    choice,
    warnings,
  }
}

function openKcore(file: string, named: boolean): number {
  try {
    return fs.openSync(file, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EPERM' || code === 'EACCES') {
      const { why, hint } = explainKcoreRefusal(code, readAuthority())
      throw new ToolError(EXIT.permission, `${file}: ${why}`, { hint, cause: error })
    }
    if (code === 'ENOENT' && !named)
      throw new ToolError(EXIT.unavailable, `${file}: not there`, {
        hint: 'the kernel lacks it or a container hides it; pmem-read-process reads single processes',
        cause: error,
      })
    throw new ToolError(EXIT.noInput, `${file}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Bytes at an offset. Of Node's calls only readSync and the callback form of read take offsets above 2^53. */
function readerOf(fd: number): ReadAt {
  return (fileOffset, length) => {
    const bytes = Buffer.alloc(length)
    let got = 0
    while (got < length) {
      const count = fs.readSync(fd, bytes, got, length - got, fileOffset + BigInt(got))
      if (count === 0) break
      got += count
    }
    return bytes.subarray(0, got)
  }
}

function refuseEmpty(file: string, read: ReadAt): void {
  if (read(0n, 1).length === 0)
    throw new ToolError(EXIT.unavailable, `${file}: empty; a container runtime mounts /dev/null over it`, {
      hint: 'bring /proc of the host into the container: --kcore /host/proc/kcore',
    })
}

/** Adds the name of the file to what is wrong with it. */
function inFile<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof FormatError)
      throw new ToolError(EXIT.data, `${file}: ${error.message}`, { cause: error })
    throw error
  }
}

function vmcoreinfoOf(kcore: Kcore, read: ReadAt, live: boolean, warnings: string[]): string | undefined {
  try {
    const text = readVmcoreinfoText(kcore, read, live)
    if (text === undefined) warnings.push('no VMCOREINFO: the page table root is not known')
    return text
  } catch (error) {
    warnings.push(`VMCOREINFO can't be read: ${reasonOf(error)}`)
    return undefined
  }
}

/** iomem as named, or what stands beside kcore, where it may be missing. */
function readIomem(named: string | undefined, beside: string | undefined): Plan['iomem'] {
  const file = named ?? beside
  if (file === undefined) return undefined
  try {
    return { path: file, text: readPseudoFile(file, MOST_IOMEM).bytes.toString('latin1') }
  } catch (error) {
    if (named === undefined) return undefined
    throw new ToolError(EXIT.noInput, `${named}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Undefined where iomem doesn't tell. */
function listedRam(iomem: { path: string; text: string }, pageSize: bigint): Run[] | undefined {
  const resources = inFile(iomem.path, () => parseIomem(iomem.text))
  if (resources.length === 0 || addressesHidden(resources)) return undefined
  const ram = inFile(iomem.path, () => ramRuns(systemRam(resources), pageSize))
  if (ram.length === 0) throw new ToolError(EXIT.data, `${iomem.path}: no System RAM`)
  return ram
}

/** The first page of the kernel's code must read the same through both of its mappings. */
function directMapHolds(kcore: Kcore, segments: readonly KcoreSegment[], read: ReadAt): boolean {
  const image = kernelImage(kcore)
  const [piece] = image ? locate([{ start: image.physical, length: 4096n }], segments).pieces : []
  if (!image || !piece) return true
  return Buffer.compare(read(piece.fileOffset, 4096), read(image.fileOffset, 4096)) === 0
}
