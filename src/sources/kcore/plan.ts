import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import type { Run } from '../../formats/address-space.js'
import { FormatError, isDamage } from '../../formats/format-error.js'
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
import type { SystemFile, SystemFiles } from '../../platform/system-files.js'
import { readVmcoreinfoText } from './vmcoreinfo-text.js'

const KCORE = '/proc/kcore'
/** Of the processors that Linux runs on. */
const PAGE_SIZES = [4096n, 8192n, 16384n, 65536n]
const MOST_IOMEM = 16 << 20

/** What is going to be read and how, settled before the first frame. */
export interface Plan {
  readonly path: string
  readonly file: SystemFile
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
 * @param files of the machine whose memory it is
 * @param kcorePath, iomemPath as the user named them
 * @throws {ToolError} naming the cause of a refusal and the next step
 */
export async function planAcquisition(
  files: SystemFiles,
  kcorePath: string | undefined,
  iomemPath: string | undefined,
): Promise<Plan> {
  const name = kcorePath ?? KCORE
  const file = await openKcore(files, name, kcorePath !== undefined)
  const read = readerOf(file)
  const live = await files.isOfProc(name)
  const warnings: string[] = []

  await refuseEmpty(name, read)
  const kcore = await inFile(name, () => readKcoreHeaders(read))
  const vmcoreinfo = await vmcoreinfoOf(kcore, read, live ? files : undefined, warnings)
  const image = kernelImage(kcore)
  const facts = kernelFacts(parseVmcoreinfo(vmcoreinfo ?? ''), kcore.machine, image && imageBase(image))
  const pageSize = PAGE_SIZES.find((size) => size === facts.pageSize) ?? 4096n

  const beside = live ? path.posix.dirname(name) : undefined
  const iomem = await readIomem(files, iomemPath, beside && path.posix.join(beside, 'iomem'))
  const listed = iomem && (await listedRam(iomem, pageSize))
  const segments = await inFile(name, () => directMap(kcore, listed ?? []))
  const ram = listed ?? segmentRuns(segments)
  const choice = listed
    ? `${name}: ranges of RAM from ${iomem.path}`
    : `${name}: ranges of RAM are its own (${iomem ? `${iomem.path} hides addresses; it shows them with CAP_SYS_ADMIN` : 'there is no iomem'})`
  if (!listed && (live || iomem)) warnings.push(choice)

  const { pieces, missing } = locate(ram, segments)
  if (pieces.length === 0) throw new ToolError(EXIT.data, `${name}: shows none of the RAM of ${iomem?.path}`)
  if (!(await directMapHolds(kcore, segments, read)))
    warnings.push(`${name}: the kernel's code reads otherwise through the map of RAM: addresses may be wrong`)

  return {
    path: name,
    file,
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
    pageFlags: beside && path.posix.join(beside, 'kpageflags'),
    choice,
    warnings,
  }
}

async function openKcore(files: SystemFiles, file: string, named: boolean): Promise<SystemFile> {
  try {
    return await files.open(file)
  } catch (error) {
    if (!isDamage(error)) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EPERM' || code === 'EACCES') {
      const { why, hint } = explainKcoreRefusal(code, await readAuthority(files))
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

/** Bytes at an offset. */
function readerOf(file: SystemFile): ReadAt {
  return async (fileOffset, length) => {
    const bytes = Buffer.alloc(length)
    let got = 0
    while (got < length) {
      const count = await file.read(fileOffset + BigInt(got), bytes.subarray(got))
      if (count === 0) break
      got += count
    }
    return bytes.subarray(0, got)
  }
}

async function refuseEmpty(file: string, read: ReadAt): Promise<void> {
  if ((await read(0n, 1)).length === 0)
    throw new ToolError(EXIT.unavailable, `${file}: empty; a container runtime mounts /dev/null over it`, {
      hint: 'bring /proc of the host into the container: --kcore /host/proc/kcore',
    })
}

/** Adds the name of the file to what is wrong with it. */
async function inFile<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof FormatError)
      throw new ToolError(EXIT.data, `${file}: ${error.message}`, { cause: error })
    throw error
  }
}

async function vmcoreinfoOf(
  kcore: Kcore,
  read: ReadAt,
  files: SystemFiles | undefined,
  warnings: string[],
): Promise<string | undefined> {
  try {
    const text = await readVmcoreinfoText(kcore, read, files)
    if (text === undefined) warnings.push('no VMCOREINFO: the page table root is not known')
    return text
  } catch (error) {
    if (!isDamage(error)) throw error
    warnings.push(`VMCOREINFO can't be read: ${reasonOf(error)}`)
    return undefined
  }
}

/** iomem as named, or what stands beside kcore, where it may be missing. */
async function readIomem(
  files: SystemFiles,
  named: string | undefined,
  beside: string | undefined,
): Promise<Plan['iomem']> {
  const file = named ?? beside
  if (file === undefined) return undefined
  try {
    return { path: file, text: (await files.readWhole(file, MOST_IOMEM)).bytes.toString('latin1') }
  } catch (error) {
    if (!isDamage(error)) throw error
    if (named === undefined) return undefined
    throw new ToolError(EXIT.noInput, `${named}: ${reasonOf(error)}`, { cause: error })
  }
}

/** Undefined where iomem doesn't tell. */
async function listedRam(
  iomem: { path: string; text: string },
  pageSize: bigint,
): Promise<Run[] | undefined> {
  const resources = await inFile(iomem.path, () => parseIomem(iomem.text))
  if (resources.length === 0 || addressesHidden(resources)) return undefined
  const ram = await inFile(iomem.path, () => ramRuns(systemRam(resources), pageSize))
  if (ram.length === 0) throw new ToolError(EXIT.data, `${iomem.path}: no System RAM`)
  return ram
}

/** The first page of the kernel's code must read the same through both of its mappings. */
async function directMapHolds(
  kcore: Kcore,
  segments: readonly KcoreSegment[],
  read: ReadAt,
): Promise<boolean> {
  const image = kernelImage(kcore)
  const [piece] = image ? locate([{ start: image.physical, length: 4096n }], segments).pieces : []
  if (!image || !piece) return true
  return Buffer.compare(await read(piece.fileOffset, 4096), await read(image.fileOffset, 4096)) === 0
}
