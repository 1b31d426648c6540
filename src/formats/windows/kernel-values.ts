/** Of CR3 the bits that are the address of a page table: flags and a number of the address space stand below. */
const ROOT_BITS = { 64: 0x000f_ffff_ffff_f000n, 32: 0xffff_f000n, pae: 0xffff_ffe0n } as const

/** Physical address of the page table that CR3, or a DirectoryTableBase, points to. */
export const rootOfCr3 = (cr3: bigint, mode: keyof typeof ROOT_BITS = 64): bigint => cr3 & ROOT_BITS[mode]

/** The build in NtBuildNumber, whose upper half tells a checked kernel from a free one. */
export const buildOf = (ntBuildNumber: bigint): bigint => ntBuildNumber & 0xffffn
