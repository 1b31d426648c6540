import type { ElfNote } from '../../src/formats/elf/notes.js'

const KERNEL_TEXT = 0xffff_ffff_8000_0000n
export const DIRECT_MAP = 0xffff_8880_0000_0000n

/** The pages that tinyKernel fills; page 0 and page 4 are not RAM. */
export const TINY_KERNEL_RUNS = [
  { start: 0x1000n, length: 0x3000n },
  { start: 0x5000n, length: 0x3000n },
]

/**
 * The least physical memory that makedumpfile takes for a Linux kernel of x86-64: page tables that map
 * 0xffffffff82000000 to physical 0, a utsname and a flat mem_map. A pattern fills the page at 0x7000.
 */
export function tinyKernel(): { memory: Buffer; vmcoreinfo: string } {
  const memory = Buffer.alloc(0x8000)
  const present = 3n
  const large = 0x80n
  memory.writeBigUInt64LE(0x2000n | present, 0x1000 + 511 * 8)
  memory.writeBigUInt64LE(0x3000n | present, 0x2000 + 510 * 8)
  memory.writeBigUInt64LE(present | large, 0x3000 + 16 * 8)
  for (const [i, text] of ['Linux', 'tiny', '6.1.0', '#1', 'x86_64'].entries())
    memory.write(text, 0x6000 + i * 65)
  memory[0x6800] = 1 // node 0 is online
  memory.writeBigUInt64LE(DIRECT_MAP + 0x5000n, 0x6900) // mem_map
  memory.writeBigUInt64LE(8n, 0x6a00 + 24) // node_spanned_pages
  for (let i = 0; i < 0x1000; i++) memory[0x7000 + i] = (i * 7 + (i >> 8)) & 0xff
  const symbol = (physical: bigint) => (KERNEL_TEXT + 0x200_0000n + physical).toString(16)
  const vmcoreinfo = [
    'OSRELEASE=6.1.0',
    'PAGESIZE=4096',
    `SYMBOL(init_uts_ns)=${symbol(0x6000n)}`,
    'OFFSET(uts_namespace.name)=0',
    `SYMBOL(node_online_map)=${symbol(0x6800n)}`,
    `SYMBOL(swapper_pg_dir)=${symbol(0x1000n)}`,
    `SYMBOL(init_top_pgt)=${symbol(0x1000n)}`,
    `SYMBOL(_stext)=${symbol(0n)}`,
    `SYMBOL(mem_map)=${symbol(0x6900n)}`,
    `SYMBOL(contig_page_data)=${symbol(0x6a00n)}`,
    'SIZE(page)=64',
    'SIZE(nodemask_t)=8',
    'SIZE(pglist_data)=64',
    'OFFSET(page.flags)=0',
    'OFFSET(page._refcount)=52',
    'OFFSET(page.mapping)=24',
    'OFFSET(pglist_data.node_zones)=0',
    'OFFSET(pglist_data.nr_zones)=8',
    'OFFSET(pglist_data.node_start_pfn)=16',
    'OFFSET(pglist_data.node_spanned_pages)=24',
    'OFFSET(pglist_data.node_mem_map)=32',
    'NUMBER(phys_base)=-33554432',
    'NUMBER(pgtable_l5_enabled)=0',
    'KERNELOFFSET=0',
    '',
  ].join('\n')
  return { memory, vmcoreinfo }
}

export const vmcoreinfoNote = (text: string): ElfNote => ({
  name: 'VMCOREINFO',
  type: 0,
  desc: Buffer.from(text),
})
