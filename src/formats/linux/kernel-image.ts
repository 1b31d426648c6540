import { MACHINE } from '../elf/structs.js'
import type { Facts } from '../image/facts.js'
import { kernelFacts, parseVmcoreinfo, START_KERNEL_MAP, symbol, type Vmcoreinfo } from './vmcoreinfo.js'

const HUGE_PAGE = 2n << 20n
/** No kernel is larger. */
const MOST = 512n << 20n

/** Where a kernel's own code and data are mapped, apart from the map of all memory. */
export interface KernelImage {
  readonly vaddr: bigint
  readonly paddr: bigint
  readonly length: bigint
}

/**
 * The image of the kernel from its first instruction to its last symbol that VMCOREINFO names; undefined where the
 * facts do not tell.
 */
export function kernelImage(facts: Facts): KernelImage | undefined {
  if (facts.vmcoreinfo === undefined) return undefined
  const info = parseVmcoreinfo(facts.vmcoreinfo)
  const vaddr = symbol(info, '_stext')
  const distance = imageDistance({ ...kernelFacts(info, Number(facts.machine)), ...facts })
  if (vaddr === undefined || distance === undefined) return undefined
  const last = lastSymbol(info, vaddr)
  const end = (last / HUGE_PAGE + 1n) * HUGE_PAGE
  return { vaddr, paddr: BigInt.asUintN(64, vaddr - distance), length: end - vaddr }
}

/** Virtual minus physical address. */
function imageDistance({ machine, physBase, kimageVoffset }: Facts): bigint | undefined {
  if (machine === BigInt(MACHINE.x64!))
    return physBase === undefined ? undefined : START_KERNEL_MAP - physBase
  return machine === BigInt(MACHINE.arm64!) ? kimageVoffset : undefined
}

function lastSymbol(info: Vmcoreinfo, first: bigint): bigint {
  let last = first
  for (const key of info.keys()) {
    const name = /^SYMBOL\((.+)\)$/.exec(key)?.[1]
    const address = name === undefined ? undefined : symbol(info, name)
    if (address !== undefined && address > last && address < first + MOST) last = address
  }
  return last
}
