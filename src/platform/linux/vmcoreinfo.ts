import { MACHINE } from '../../formats/elf/structs.js'
import { imageBase, type Kcore, kernelImage } from './kcore.js'

// VMCOREINFO (Documentation/admin-guide/kdump/vmcoreinfo.rst): one KEY=value a line.
//   KERNELOFFSET, SYMBOL(x)      hexadecimal without 0x
//   NUMBER(x)                    signed decimal; arm64 writes some as 0x…
//   PAGESIZE, SIZE, OFFSET, LENGTH   decimal

/** Where x86-64 links its kernel image: physical 0 plus phys_base. */
const START_KERNEL_MAP = 0xffffffff80000000n

export type Vmcoreinfo = ReadonlyMap<string, string>

/** Facts about the running kernel; each is absent where VMCOREINFO doesn't tell it. */
export interface KernelFacts {
  readonly release?: string
  readonly buildId?: string
  readonly pageSize?: bigint
  /** How far the kernel image was moved from where it was linked, in bytes of virtual address. */
  readonly kaslrShift?: bigint
  /** x86-64: physical address of virtual 0xffffffff80000000; can be negative. */
  readonly physBase?: bigint
  /** arm64: virtual minus physical address of the kernel image. */
  readonly kimageVoffset?: bigint
  /** Physical address of the kernel's page table root, which is not the CR3 of any process. */
  readonly pageTableRoot?: bigint
  readonly pagingLevels?: number
}

/** Reads the text; lines without `=` are left out. */
export function parseVmcoreinfo(text: string): Vmcoreinfo {
  const info = new Map<string, string>()
  for (const line of text.replace(/\0.*$/s, '').split('\n')) {
    const equals = line.indexOf('=')
    if (equals > 0) info.set(line.slice(0, equals), line.slice(equals + 1))
  }
  return info
}

/** What VMCOREINFO and the headers of its kcore tell about the kernel. */
export function kernelFacts(info: Vmcoreinfo, kcore: Kcore): KernelFacts {
  const { machine } = kcore
  const pageSize = decimal(info.get('PAGESIZE'))
  return present({
    release: info.get('OSRELEASE'),
    buildId: info.get('BUILD-ID'),
    pageSize,
    kaslrShift: hexadecimal(info.get('KERNELOFFSET')),
    ...(machine === MACHINE.x64 ? x86Facts(info, kcore) : {}),
    ...(machine === MACHINE.arm64 ? arm64Facts(info, pageSize) : {}),
  })
}

function x86Facts(info: Vmcoreinfo, kcore: Kcore) {
  const image = kernelImage(kcore)
  const physBase = decimal(info.get('NUMBER(phys_base)')) ?? (image && imageBase(image))
  const root =
    symbol(info, 'init_top_pgt') ?? symbol(info, 'init_level4_pgt') ?? symbol(info, 'swapper_pg_dir')
  const fiveLevels = info.get('NUMBER(pgtable_l5_enabled)')
  return {
    physBase,
    pageTableRoot:
      physBase === undefined || root === undefined ? undefined : root - START_KERNEL_MAP + physBase,
    pagingLevels: fiveLevels === '1' ? 5 : root === undefined ? undefined : 4,
  }
}

function arm64Facts(info: Vmcoreinfo, pageSize: bigint | undefined) {
  const kimageVoffset = decimal(info.get('NUMBER(kimage_voffset)'))
  const root = symbol(info, 'swapper_pg_dir')
  const t1sz = decimal(info.get('NUMBER(TCR_EL1_T1SZ)'))
  const addressBits = t1sz === undefined ? decimal(info.get('NUMBER(VA_BITS)')) : 64n - t1sz
  return {
    kimageVoffset,
    pageTableRoot: kimageVoffset === undefined || root === undefined ? undefined : root - kimageVoffset,
    pagingLevels:
      pageSize === undefined || addressBits === undefined
        ? undefined
        : pagingLevels(Number(addressBits), Math.log2(Number(pageSize))),
  }
}

/** Each level of tables resolves the bits of one page of 8-byte entries. */
function pagingLevels(addressBits: number, pageBits: number): number {
  return Math.ceil((addressBits - pageBits) / (pageBits - 3))
}

function symbol(info: Vmcoreinfo, name: string): bigint | undefined {
  return hexadecimal(info.get(`SYMBOL(${name})`))
}

function hexadecimal(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined
}

/** Decimal with a sign, or 0x…, which arm64 uses for addresses. */
function decimal(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^(?:-?[0-9]{1,20}|0x[0-9a-f]{1,16})$/i.test(text)) return undefined
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text)
}

function present<T extends object>(facts: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/**
 * Reads /sys/kernel/vmcoreinfo, `0xADDRESS SIZE`, both hexadecimal: where in physical memory the ELF
 * note lies. Kernels before 4.19 have it only there, not among kcore's notes.
 */
export function parseVmcoreinfoLocation(text: string): { address: bigint; size: number } | undefined {
  const [, address, size] = /^0x([0-9a-f]{1,16}) ([0-9a-f]{1,6})\s*$/.exec(text) ?? []
  return address === undefined || size === undefined
    ? undefined
    : { address: BigInt(`0x${address}`), size: Number.parseInt(size, 16) }
}
