import { readFileSync } from 'node:fs'
import { asDataView } from '../../codecs/views.js'

/** Type of the entry that holds the page size, in the auxiliary vector of a process (uapi/linux/auxvec.h). */
const AT_PAGESZ = 6n

/** The page size of a 64-bit process, from the text of its /proc/PID/auxv: pairs of u64. */
export function pageSizeOf(auxv: Uint8Array): bigint | undefined {
  const view = asDataView(auxv)
  for (let at = 0; at + 16 <= auxv.length; at += 16)
    if (view.getBigUint64(at, true) === AT_PAGESZ) return view.getBigUint64(at + 8, true)
  return undefined
}

/** The page size of this machine; 4096 where it can't be told. */
export function systemPageSize(): bigint {
  try {
    return pageSizeOf(readFileSync('/proc/self/auxv')) ?? 4096n
  } catch {
    return 4096n
  }
}
