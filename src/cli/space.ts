import fs from 'node:fs'
import path from 'node:path'
import type { Options, OptionTable } from './arguments.js'
import { EXIT, ToolError } from './exit.js'
import { parseSize, showSize } from './sizes.js'

/** Options of everything that writes evidence to a file. */
export const SPACE_OPTIONS: OptionTable = {
  'ignore-space': { help: 'begin although the output may not fit' },
  'max-disk-usage': {
    value: 'SIZE|PERCENT%',
    help: 'most that the output takes, or most of its file system that is then in use',
  },
}

/** The room that an output has. */
export interface Space {
  /** What stands against so many bytes more, as they are before compression; undefined where they fit. */
  lacks(bytes: bigint): ToolError | undefined
  /** As `lacks`, for what has not begun. @throws {ToolError} */
  demand(bytes: bigint): void
  /**
   * Counts bytes that are about to be written.
   * @param where what a message calls the output
   * @throws {ToolError} where they would be more than the output may take: then none is counted
   */
  take(where: string, bytes: bigint): void
  giveBack(bytes: bigint): void
}

export const UNBOUNDED: Space = { lacks: () => undefined, demand() {}, take() {}, giveBack() {} }

/** A file system as df shows it, in bytes. */
export interface FileSystem {
  readonly size: bigint
  /** To whom is not root. */
  readonly free: bigint
}

/** The file system of a folder, or of the one in which it will be made; undefined where it does not tell. */
export function fileSystemOf(folder: string): FileSystem | undefined {
  try {
    const { bsize, blocks, bavail } = fs.statfsSync(folder, { bigint: true })
    return blocks > 0n ? { size: blocks * bsize, free: bavail * bsize } : undefined
  } catch (error) {
    const above = path.dirname(path.resolve(folder))
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && above !== path.resolve(folder)
    // Else, who writes there will say why that cannot be.
    return missing ? fileSystemOf(above) : undefined
  }
}

/** What --max-disk-usage says, in bytes that an output may take. @throws {ToolError} usage */
function usageAllowed(text: string, folder: string): bigint {
  const percent = /^([0-9]{1,3}(?:\.[0-9]{1,3})?)%$/.exec(text)?.[1]
  if (percent === undefined) return sizeOf(text)
  if (Number(percent) > 100) throw notUsage(text)
  const { size, free } = fileSystemOf(folder) ?? { size: 0n, free: 0n }
  const most = (size * BigInt(Math.round(Number(percent) * 1000))) / 100_000n
  const used = size - free
  return most > used ? most - used : 0n
}

function sizeOf(text: string): bigint {
  try {
    return parseSize(text)
  } catch (error) {
    throw notUsage(text, error)
  }
}

const notUsage = (text: string, cause?: unknown): ToolError =>
  new ToolError(EXIT.usage, `--max-disk-usage ${text}: not a size (4096, 32k, 1M) or a percentage (80%)`, {
    cause,
  })

/**
 * The room for an output by the options of its tool. Only a regular file is bound.
 * @param place the folder that it is in, and how many bytes are free once it has begun that are not yet
 * @throws {ToolError} usage
 */
export function spaceFor(
  target: string,
  options: Options,
  { folder = path.dirname(target), freed = 0n }: { folder?: string; freed?: bigint },
): Space {
  const usage = options.value('max-disk-usage')
  const most = usage === undefined ? undefined : usageAllowed(usage, folder)
  const ignoring = options.flag('ignore-space')
  let taken = 0n

  const refused = (why: string) =>
    new ToolError(EXIT.cannotCreate, `${target}: ${why}`, {
      hint: '--ignore-space begins all the same: what fits is kept, and compressed that may be all',
    })

  function lacks(bytes: bigint): ToolError | undefined {
    if (ignoring) return undefined
    if (most !== undefined && bytes > most - taken)
      return refused(
        `${showSize(bytes)} uncompressed are more than --max-disk-usage ${usage} allows: ${showSize(most - taken)}`,
      )
    const free = fileSystemOf(folder)?.free
    if (free === undefined || bytes <= free + (taken === 0n ? freed : 0n)) return undefined
    return refused(
      `${showSize(bytes)} uncompressed do not fit: ${showSize(free)} are free in ${path.resolve(folder)}`,
    )
  }

  return {
    lacks,
    demand(bytes) {
      const lack = lacks(bytes)
      if (lack) throw lack
    },
    take(where, bytes) {
      if (most !== undefined && taken + bytes > most)
        throw new ToolError(EXIT.io, `${where}: would take more than --max-disk-usage ${usage} allows`)
      taken += bytes
    },
    giveBack(bytes) {
      taken = bytes < taken ? taken - bytes : 0n
    },
  }
}
