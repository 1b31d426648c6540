import { MACHINE } from '../elf/structs.js'
import type { Facts } from '../image/facts.js'

// VMCOREINFO (Documentation/admin-guide/kdump/vmcoreinfo.rst): one KEY=value a line.
//   KERNELOFFSET, SYMBOL(x)      hexadecimal without 0x
//   NUMBER(x)                    signed decimal; arm64 writes some as 0x…
//   PAGESIZE, SIZE, OFFSET, LENGTH   decimal

/** Where x86-64 maps its kernel image: physical 0 plus phys_base. */
export const START_KERNEL_MAP = 0xffffffff80000000n

export type Vmcoreinfo = ReadonlyMap<string, string>

/** Reads the text; lines without `=` are left out. */
export function parseVmcoreinfo(text: string): Vmcoreinfo {
  const info = new Map<string, string>()
  for (const line of text.replace(/\0.*$/s, '').split('\n')) {
    const equals = line.indexOf('=')
    if (equals > 0) info.set(line.slice(0, equals), line.slice(equals + 1))
  }
  return info
}

/**
 * What VMCOREINFO tells about the kernel; each fact is absent where it does not.
 * @param machine e_machine
 * @param imageBase physical address of START_KERNEL_MAP where something else tells it
 */
export function kernelFacts(info: Vmcoreinfo, machine: number, imageBase?: bigint): Facts {
  const pageSize = decimal(info.get('PAGESIZE'))
  return present({
    kernelRelease: info.get('OSRELEASE'),
    kernelBuildId: info.get('BUILD-ID'),
    pageSize,
    kaslrShift: hexadecimal(info.get('KERNELOFFSET')),
    ...(machine === MACHINE.x64 ? x86Facts(info, imageBase) : {}),
    ...(machine === MACHINE.arm64 ? arm64Facts(info, pageSize) : {}),
  })
}

function x86Facts(info: Vmcoreinfo, imageBase: bigint | undefined) {
  const physBase = decimal(info.get('NUMBER(phys_base)')) ?? imageBase
  const root =
    symbol(info, 'init_top_pgt') ?? symbol(info, 'init_level4_pgt') ?? symbol(info, 'swapper_pg_dir')
  const fiveLevels = info.get('NUMBER(pgtable_l5_enabled)')
  return {
    physBase,
    /** Not the CR3 of any process. */
    pageTableRoot:
      physBase === undefined || root === undefined ? undefined : root - START_KERNEL_MAP + physBase,
    pagingLevels: fiveLevels === '1' ? 5n : root === undefined ? undefined : 4n,
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
function pagingLevels(addressBits: number, pageBits: number): bigint {
  return BigInt(Math.ceil((addressBits - pageBits) / (pageBits - 3)))
}

/** The address of a symbol. */
export function symbol(info: Vmcoreinfo, name: string): bigint | undefined {
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

const present = (facts: Record<string, unknown>): Facts =>
  Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
