import { asBuffer } from '../../codecs/views.js'
import type { Run } from '../../formats/address-space.js'
import { FormatError } from '../../formats/format-error.js'

// /proc/PID/maps (Documentation/filesystems/proc.rst): one mapping a line,
//     7f5c1dfff000-7f5c3de00000 ---p 00000000 00:00 0          [heap]
// start-end (exclusive), permissions with p(rivate) or s(hared), offset in the file, device, inode, path.
// In the path only a newline is escaped, as \012.
const LINE =
  /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-][ps]) ([0-9a-f]{1,16}) ([0-9a-f]+:[0-9a-f]+) ([0-9]+) *(.*)$/

export interface Mapping extends Run {
  /** As in `r-xp`. */
  readonly permissions: string
  /** Where in the file it begins. */
  readonly fileOffset: bigint
  /** `major:minor`, hexadecimal. */
  readonly device: string
  readonly inode: bigint
  /** A file, a name in brackets, or nothing. Bytes that are not UTF-8 are replaced. */
  readonly path: string
}

/**
 * Reads /proc/PID/maps, ascending as the kernel gives it.
 * @throws {FormatError} naming the line that is no mapping, or lies below the one before it
 */
export function parseMaps(bytes: Uint8Array): Mapping[] {
  const lines = asBuffer(bytes).toString('latin1').split('\n')
  const mappings: Mapping[] = []
  let last = 0n
  for (const [index, line] of lines.entries()) {
    if (line === '') continue
    const [, first, end, permissions, offset, device, inode, path] = LINE.exec(line) ?? []
    if (!first || !end || !permissions || !offset || !device || !inode || path === undefined)
      throw new FormatError(`line ${index + 1} is no mapping: ${JSON.stringify(line.slice(0, 80))}`)
    const start = BigInt(`0x${first}`)
    const length = BigInt(`0x${end}`) - start
    if (start < last || length <= 0n)
      throw new FormatError(`line ${index + 1} is out of order: ${line.slice(0, 80)}`)
    last = start + length
    mappings.push({
      start,
      length,
      permissions,
      fileOffset: BigInt(`0x${offset}`),
      device,
      inode: BigInt(inode),
      path: Buffer.from(path, 'latin1').toString('utf8'),
    })
  }
  return mappings
}

/**
 * How a mapping is to be read.
 * - `anonymous`: only this process has its content; a page that was never touched holds zeros.
 * - `shared-memory`: its pages may be in use by others only, and reading one that nobody has touched makes
 *   the kernel allocate it.
 * - `file`: reads as the file where the process has not written.
 * - `kernel`: the kernel's own page, which it doesn't let others read; the same for every process.
 * - `device`: reading may act on hardware.
 */
export type MappingKind = 'anonymous' | 'shared-memory' | 'file' | 'kernel' | 'device'

/** What else has a name in brackets, as [vdso] has, holds something in pages never touched. */
const ANONYMOUS = /^(?:$|\[(?:heap|stack|anon))/
const KERNEL = /^\[(?:vvar|vsyscall|vectors)/
const SHARED_MEMORY = /^\/(?:memfd:|dev\/zero|dev\/shm\/|SYSV[0-9a-f]{8})/

export function mappingKind({ path, permissions, inode }: Mapping): MappingKind {
  if (KERNEL.test(path)) return 'kernel'
  const isPrivate = permissions.endsWith('p')
  if (isPrivate && ((inode === 0n && ANONYMOUS.test(path)) || path.startsWith('/anon_hugepage')))
    return 'anonymous'
  if (SHARED_MEMORY.test(path)) return isPrivate ? 'file' : 'shared-memory'
  return path.startsWith('/dev/') ? 'device' : 'file'
}
