import { firstIndex } from '../../formats/address-space.js'
import { isDamage } from '../../formats/format-error.js'
import { type Mapping, mappingKind } from '../../platform/linux/process-maps.js'
import type { SystemFile, SystemFiles } from '../../platform/system-files.js'
import type { ReadBytes } from '../address-space-frames.js'
import { fileReader } from '../file-reader.js'

/** Reads the memory of a process. */
export interface ProcessReader {
  readonly read: ReadBytes
  readonly expect: SystemFile['expect'] | undefined
  close(): void
}

/**
 * Reads addresses of a process. Shared memory is read through its file where that is allowed: through the process, the
 * kernel would allocate pages that nobody has touched yet.
 * @param files of the machine that it runs on
 * @param folder /proc/PID
 * @param mem its mem
 */
export function openProcessReader(
  files: SystemFiles,
  folder: string,
  mem: SystemFile,
  mappings: readonly Mapping[],
): ProcessReader {
  const shared = mappings.filter((mapping) => mappingKind(mapping) === 'shared-memory')
  const readMem = fileReader(mem)
  let open: { of: Mapping; file: SystemFile | undefined } | undefined

  function close(): void {
    open?.file?.close()
    open = undefined
  }

  function sharedAt(address: bigint): Mapping | undefined {
    const mapping =
      shared[firstIndex(shared.length, (at) => shared[at]!.start + shared[at]!.length > address)]
    return mapping && address >= mapping.start ? mapping : undefined
  }

  async function readShared(of: Mapping, address: bigint, place: Uint8Array): Promise<Uint8Array> {
    if (open?.of !== of) {
      close()
      open = { of, file: await openMapFile(files, folder, of) }
    }
    const { file } = open
    const count = file ? file.read(of.fileOffset + (address - of.start), place) : mem.read(address, place)
    return place.subarray(0, await count)
  }

  return {
    close,
    read(address, length, slab) {
      const mapping = sharedAt(address)
      return mapping ? readShared(mapping, address, slab.subarray(0, length)) : readMem(address, length, slab)
    },
    expect:
      mem.expect && ((address, length) => (sharedAt(address) ? () => {} : mem.expect!(address, length))),
  }
}

/** Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. */
async function openMapFile(
  files: SystemFiles,
  folder: string,
  { start, length }: Mapping,
): Promise<SystemFile | undefined> {
  try {
    return await files.open(`${folder}/map_files/${start.toString(16)}-${(start + length).toString(16)}`)
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}
