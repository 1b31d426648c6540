import { readFileSync } from 'node:fs'
import { mergeRuns, type Run } from '../../../src/formats/address-space.js'
import { encodeEhdr, encodePhdr, SIZES } from '../../../src/formats/elf/structs.js'
import type { ReadAt } from '../../../src/platform/linux/kcore.js'

/**
 * Heads of /proc/kcore (headers and notes) with the /proc/iomem of the same boot, all from Debian's kernel 6.1:
 * l5 and l4 (five and four levels of page tables), split (RAM on both sides of 4 GiB), hole (memmap=16M$64M),
 * virtio-mem (384 MiB plugged in, nested in iomem), arm64.
 */
export const X64_BOOTS = ['l5', 'l4', 'split', 'hole', 'virtio-mem'] as const
export const BOOTS = [...X64_BOOTS, 'arm64'] as const

const folder = new URL('../../../../test/platform/linux/fixtures/', import.meta.url)

export const fixture = (name: string): Buffer => readFileSync(new URL(name, folder))
export const iomemOf = (boot: string): string => fixture(`${boot}.iomem`).toString('latin1')

/** Bytes as a file that ends where they end. */
export const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(Number(offset), Number(offset) + length)

export interface Load {
  readonly type?: number
  readonly offset: bigint
  readonly vaddr: bigint
  readonly paddr: bigint
  readonly length: bigint
}

/** The head of a crafted kcore: ELF header and program headers. */
export function craftKcore(loads: readonly Load[], machine = 62): Buffer {
  const { ehdr, phdr } = SIZES[64]
  const head = Buffer.alloc(ehdr + loads.length * phdr)
  head.set(
    encodeEhdr({
      type: 4,
      machine,
      version: 1,
      entry: 0n,
      phoff: BigInt(ehdr),
      shoff: 0n,
      flags: 0,
      ehsize: ehdr,
      phentsize: phdr,
      phnum: loads.length,
      shentsize: 0,
      shnum: 0,
      shstrndx: 0,
    }),
  )
  for (const [i, { type = 1, offset, vaddr, paddr, length }] of loads.entries())
    encodePhdr(
      { type, flags: 7, offset, vaddr, paddr, filesz: length, memsz: length, align: 0x1000n },
      head,
      ehdr + i * phdr,
    )
  return head
}

export const run = (start: bigint, end: bigint): Run => ({ start, length: end - start })

/** Runs as sorted, joined text, for comparing two lists of them. */
export const coverage = (runs: Iterable<Run>): string[] =>
  mergeRuns(runs).map(({ start, length }) => `${start.toString(16)}-${(start + length).toString(16)}`)

/** All that comes, in order. */
export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
