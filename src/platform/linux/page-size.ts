import { asDataView } from '../../codecs/views.js'
import { isDamage } from '../../formats/format-error.js'
import type { SystemFiles } from '../system-files.js'

/** Type of the entry that holds the page size, in the auxiliary vector of a process (uapi/linux/auxvec.h). */
const AT_PAGESZ = 6n
const MOST_OF_AUXV = 4096

/** The page size of a 64-bit process, from the text of its /proc/PID/auxv: pairs of u64. */
export function pageSizeOf(auxv: Uint8Array): bigint | undefined {
  const view = asDataView(auxv)
  for (let at = 0; at + 16 <= auxv.length; at += 16)
    if (view.getBigUint64(at, true) === AT_PAGESZ) return view.getBigUint64(at + 8, true)
  return undefined
}

/** The page size of a machine; 4096 where it can't be told. */
export async function systemPageSize(files: SystemFiles): Promise<bigint> {
  try {
    const { bytes } = await files.readWhole('/proc/self/auxv', MOST_OF_AUXV)
    return pageSizeOf(bytes) ?? 4096n
  } catch (error) {
    if (!isDamage(error)) throw error
    return 4096n
  }
}
