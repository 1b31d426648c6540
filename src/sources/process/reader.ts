import fs from 'node:fs'
import { type Mapping, mappingKind } from '../../platform/linux/process-maps.js'
import type { ReadBytes } from '../address-space-frames.js'

/**
 * Reads addresses of a process, fast where they ascend. Shared memory is read through its file where that is allowed:
 * through the process, the kernel would allocate pages that nobody has touched yet.
 * @param folder /proc/PID
 * @param mem descriptor of its mem
 */
export function openProcessReader(
  folder: string,
  mem: number,
  mappings: readonly Mapping[],
): { read: ReadBytes; close(): void } {
  const shared = mappings.filter((mapping) => mappingKind(mapping) === 'shared-memory')
  let next = 0
  let last = 0n
  let file: { of: Mapping; fd: number | undefined } | undefined

  function close(): void {
    if (file?.fd !== undefined) fs.closeSync(file.fd)
    file = undefined
  }

  function fileAt(address: bigint): typeof file {
    if (address < last) next = 0
    last = address
    while (shared[next] && address >= shared[next]!.start + shared[next]!.length) next++
    const mapping = shared[next]
    if (!mapping || address < mapping.start) return undefined
    if (file?.of !== mapping) {
      close()
      file = { of: mapping, fd: openMapFile(folder, mapping) }
    }
    return file
  }

  return {
    close,
    read(address, length, slab) {
      const { of, fd } = fileAt(address) ?? {}
      const count =
        of && fd !== undefined
          ? fs.readSync(fd, slab, 0, length, of.fileOffset + (address - of.start))
          : fs.readSync(mem, slab, 0, length, address)
      return slab.subarray(0, count)
    },
  }
}

/** Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. */
function openMapFile(folder: string, { start, length }: Mapping): number | undefined {
  try {
    return fs.openSync(`${folder}/map_files/${start.toString(16)}-${(start + length).toString(16)}`, 'r')
  } catch {
    return undefined
  }
}
