import fs from 'node:fs'
import { EXIT, ToolError } from '../../cli/exit.js'
import { asToolError, reasonOf } from '../../cli/failure.js'
import type { Run } from '../../formats/address-space.js'
import { FormatError } from '../../formats/format-error.js'
import { MOST_PMEM_INFO, type PmemInfo, parsePmemInfo, ramRuns } from '../../platform/macos/pmem-info.js'
import { readPseudoFile } from '../../platform/pseudo-file.js'
import { readUninterrupted } from '../../platform/read-uninterrupted.js'

const DEVICE = '/dev/pmem'

/** What is going to be read, settled before the first frame. */
export interface Plan {
  readonly fd: number
  readonly device: string
  /** This machine's own memory, not a copy of some: its files belong to it. */
  readonly live: boolean
  readonly info: PmemInfo
  readonly infoFile: string
  /** The YAML as it came. */
  readonly infoText: Buffer
  readonly ram: readonly Run[]
  /** What an analyst must know about it. */
  readonly warnings: readonly string[]
}

/**
 * Reads what the driver tells, and opens its device.
 * @param device, info as the user named them
 * @throws {ToolError} naming the cause of a refusal and the next step
 */
export function planAcquisition(device = DEVICE, info = `${device}_info`): Plan {
  const infoText = readInfo(info)
  const parsed = parseInfo(info, infoText)
  const ram = ramRuns(parsed.efiRanges)
  if (ram.length === 0) throw new ToolError(EXIT.data, `${info}: names no range of memory`)
  const fd = explained(device, () => fs.openSync(device, 'r'))
  return {
    fd,
    device,
    live: device === DEVICE,
    info: parsed,
    infoFile: info,
    infoText,
    ram,
    warnings: bannerWarnings(fd, parsed),
  }
}

function readInfo(file: string): Buffer {
  const { bytes, cut } = explained(file, () => readPseudoFile(file, MOST_PMEM_INFO))
  if (cut) throw new ToolError(EXIT.data, `${file}: longer than the driver writes: not the YAML of MacPmem`)
  return bytes
}

function parseInfo(file: string, text: Buffer): PmemInfo {
  try {
    return parsePmemInfo(text.toString('utf8'))
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new ToolError(EXIT.data, `${file}: ${error.message}`, { cause: error })
  }
}

function explained<T>(file: string, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT')
      throw new ToolError(EXIT.unavailable, `${file}: not there`, {
        hint: 'kextload MacPmem.kext makes it (Intel Macs, OS X 10.8 to 10.11); --device and --info name copies',
        cause,
      })
    if (code === 'EACCES' || code === 'EPERM')
      throw new ToolError(EXIT.permission, `${file}: ${reasonOf(cause)}`, { hint: 'run it as root', cause })
    throw asToolError(cause)
  }
}

/** The kernel's banner must stand in memory where the driver says: else its facts are those of another kernel. */
function bannerWarnings(fd: number, { kernelVersion, versionOffset }: PmemInfo): string[] {
  if (!kernelVersion || versionOffset === undefined || versionOffset >> 63n !== 0n) return []
  const wanted = Buffer.from(kernelVersion, 'utf8')
  const found = Buffer.alloc(wanted.length)
  const place = `0x${versionOffset.toString(16)}, where the driver finds the kernel's version`
  try {
    const count = readUninterrupted(fd, found, 0, found.length, versionOffset)
    if (found.subarray(0, count).equals(wanted)) return []
    return [`at ${place}, stands something else: its facts may be those of another kernel`]
  } catch (error) {
    return [`at ${place}: ${reasonOf(error)}`]
  }
}
