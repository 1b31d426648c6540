import { encodeNotes } from '../../../src/formats/elf/notes.js'
import { encodeBitmap } from '../../../src/formats/kdump/bitmaps.js'
import {
  encodeStruct,
  HEADER,
  type Header,
  LP64,
  type Model,
  SIGNATURE,
  SUB_HEADER,
  type SubHeader,
} from '../../../src/formats/kdump/structs.js'
import { vmcoreinfoNote } from '../tiny-kernel.js'

export const BLOCK = 4096
/** Where the page descriptors of what `buildDump` builds stand. */
export const DESCRIPTORS_AT = 4 * BLOCK
export const DESCRIPTOR = 24

export interface BuiltPage {
  readonly page: number
  readonly stored: Uint8Array
  readonly flags: number
}

export interface Build {
  readonly model?: Model
  readonly version?: number
  readonly pages: readonly BuiltPage[]
  /** Pages of memory that are not in the file. */
  readonly excluded?: readonly number[]
  readonly header?: Partial<Header>
  readonly sub?: Partial<SubHeader>
  readonly vmcoreinfo?: string
}

/** A dump of what makedumpfile never wrote here: other machines, other codecs, nonsense. */
export function buildDump(build: Build): Buffer {
  const { model = LP64, pages, excluded = [], vmcoreinfo = '' } = build
  const version = build.version ?? 6
  const last = Math.max(...pages.map(({ page }) => page), ...excluded)
  const note = encodeNotes([vmcoreinfoNote(vmcoreinfo)])
  const header: Header = {
    signature: SIGNATURE,
    header_version: BigInt(version),
    sysname: 'Linux',
    nodename: 'host',
    release: '6.6.6',
    version: '#1 SMP',
    machine: 'x86_64',
    domainname: '(none)',
    tv_sec: 1700000000n,
    tv_usec: 250000n,
    status: 0n,
    block_size: BigInt(BLOCK),
    sub_hdr_size: 1n,
    bitmap_blocks: 2n,
    max_mapnr: BigInt(last + 1),
    total_ram_blocks: 0n,
    device_blocks: 0n,
    written_blocks: 0n,
    current_cpu: 0n,
    nr_cpus: 4n,
    ...build.header,
  }
  const notesAt = BigInt(BLOCK + 256)
  const sub: SubHeader = {
    phys_base: BigInt(-0x100000),
    dump_level: 0n,
    split: 0n,
    start_pfn: 0n,
    end_pfn: 0n,
    offset_vmcoreinfo: notesAt + 24n,
    size_vmcoreinfo: BigInt(vmcoreinfo.length),
    offset_note: notesAt,
    size_note: BigInt(note.length),
    offset_eraseinfo: 0n,
    size_eraseinfo: 0n,
    start_pfn_64: 0n,
    end_pfn_64: 0n,
    max_mapnr_64: BigInt(last + 1),
    ...build.sub,
  }
  const held = pages.map(({ page }) => ({ first: page, count: 1 }))
  const memory = [...held, ...excluded.map((page) => ({ first: page, count: 1 }))].sort(
    (a, b) => a.first - b.first,
  )
  const front = Buffer.alloc(DESCRIPTORS_AT)
  front.set(encodeStruct(HEADER, header, model))
  front.set(encodeStruct(SUB_HEADER, sub, model), BLOCK)
  if (vmcoreinfo !== '') front.set(note, Number(notesAt))
  for (const piece of encodeBitmap(memory, BLOCK)) front.set(piece, 2 * BLOCK)
  for (const piece of encodeBitmap(held, BLOCK)) front.set(piece, 3 * BLOCK)
  const table = Buffer.alloc(pages.length * DESCRIPTOR)
  let at = DESCRIPTORS_AT + table.length
  for (const [i, { stored, flags }] of pages.entries()) {
    const view = new DataView(table.buffer, table.byteOffset + i * DESCRIPTOR, DESCRIPTOR)
    view.setBigUint64(0, BigInt(at), model.littleEndian)
    view.setUint32(8, stored.length, model.littleEndian)
    view.setUint32(12, flags, model.littleEndian)
    at += stored.length
  }
  return Buffer.concat([front, table, ...pages.map(({ stored }) => stored)])
}
