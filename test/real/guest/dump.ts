import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import type { Qmp } from './qmp.js'

/** Bytes compared and copied at a time; a block of zeros stays a hole. */
const BLOCK = 1 << 16
const ZEROS = Buffer.alloc(BLOCK)

/**
 * Has the hypervisor write the guest's memory, the guest paused meanwhile, and lays it out flat:
 * offset in `file` = physical address.
 */
export async function dumpMemory(qmp: Qmp, file: string): Promise<void> {
  const core = `${file}.elf`
  await qmp.command('stop')
  try {
    await qmp.command('dump-guest-memory', { paging: false, protocol: `file:${core}` })
  } finally {
    await qmp.command('cont')
  }
  try {
    flatten(core, file)
  } finally {
    rmSync(core)
  }
}

/** ELF64: the header's e_phoff at 32, e_phnum at 56; a program header's p_type, p_offset, p_paddr, p_filesz at 0, 8, 24, 32. */
function flatten(core: string, file: string): void {
  const from = openSync(core, 'r')
  const to = openSync(file, 'w')
  try {
    const header = Buffer.alloc(64)
    readSync(from, header, 0, 64, 0n)
    const table = Buffer.alloc(header.readUInt16LE(56) * 56)
    readSync(from, table, 0, table.length, header.readBigUInt64LE(32))
    let end = 0n
    for (let at = 0; at < table.length; at += 56) {
      if (table.readUInt32LE(at) !== 1) continue
      const [offset, address, size] = [8, 24, 32].map((field) => table.readBigUInt64LE(at + field)) as [
        bigint,
        bigint,
        bigint,
      ]
      copySparse(from, offset, to, address, size)
      if (address + size > end) end = address + size
    }
    ftruncateSync(to, Number(end))
  } finally {
    closeSync(from)
    closeSync(to)
  }
}

function copySparse(from: number, offset: bigint, to: number, address: bigint, size: bigint): void {
  const block = Buffer.alloc(BLOCK)
  for (let done = 0n; done < size; ) {
    const wanted = size - done < BLOCK ? Number(size - done) : BLOCK
    const got = readSync(from, block, 0, wanted, offset + done)
    if (got === 0) throw new Error(`the dump ends before ${offset + size}`)
    if (block.compare(ZEROS, 0, got, 0, got) !== 0) writeSync(to, block, 0, got, Number(address + done))
    done += BigInt(got)
  }
}
