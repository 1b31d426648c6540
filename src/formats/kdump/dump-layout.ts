import type { Bytes } from '../byte-source.js'
import { type ElfNote, encodeNotes } from '../elf/notes.js'
import type { Facts } from '../image/facts.js'
import { MACHINES } from './machines.js'
import {
  DESCRIPTOR_SIZE,
  encodeStruct,
  HEADER,
  INCOMPLETE,
  LP64,
  SIGNATURE,
  SUB_HEADER,
  structSize,
  VERSION,
} from './structs.js'

/** Where the parts of a dump stand. */
export interface DumpLayout {
  readonly blockSize: number
  /** One past the last page. */
  readonly pages: number
  readonly bitmapsAt: number
  /** Bytes of one bitmap. */
  readonly bitmapSize: number
  readonly descriptorsAt: number
}

/** What the headers say besides. */
export interface DumpClaims {
  readonly facts: Facts
  /** Flag of the codec, 0 for none. */
  readonly codec: number
  readonly complete: boolean
}

/** Where the notes stand that go into the block of the sub header: behind it. */
const SUB_SIZE = Math.ceil(structSize(SUB_HEADER, LP64) / 8) * 8
/** sub_hdr_size has 31 bits. */
const MOST_BLOCKS = 2 ** 31 - 1

const roundUp = (size: number, unit: number): number => Math.ceil(size / unit) * unit

export const notesAt = (blockSize: number): number => blockSize + SUB_SIZE

/** The block behind headers with so many bytes of notes. */
export const frontSize = (blockSize: number, notes: number): number =>
  roundUp(notesAt(blockSize) + notes, blockSize)

/**
 * Where bitmaps and page descriptors stand.
 * @param bitmapsAt a multiple of `blockSize` @param pages one past the last page
 * @throws {RangeError} where the headers cannot say so
 */
export function dumpLayout(blockSize: number, bitmapsAt: number, pages: number): DumpLayout {
  const bitmapSize = Math.max(roundUp(Math.ceil(pages / 8), blockSize), blockSize)
  if (bitmapsAt / blockSize > MOST_BLOCKS || (2 * bitmapSize) / blockSize > MOST_BLOCKS)
    throw new RangeError(`a dump of ${pages} pages`)
  return { blockSize, pages, bitmapsAt, bitmapSize, descriptorsAt: bitmapsAt + 2 * bitmapSize }
}

/** Where what follows the descriptors of so many pages begins. */
export const behindDescriptors = ({ blockSize, descriptorsAt }: DumpLayout, count: number): number =>
  roundUp(descriptorsAt + count * DESCRIPTOR_SIZE, blockSize)

/** What is written at 0, and the notes where they stand. */
export interface DumpHeaders {
  readonly headers: Bytes
  readonly notes: Bytes
}

/** @param at where the notes stand */
export function encodeDumpHeaders(
  layout: DumpLayout,
  { facts, codec, complete }: DumpClaims,
  notes: readonly ElfNote[],
  at: number,
): DumpHeaders {
  const { blockSize, pages, bitmapsAt, bitmapSize } = layout
  const { vmcoreinfo, acquisitionTime = 0n, processors = 0n, physBase = 0n } = facts
  const machine = MACHINES.find(({ elf }) => BigInt(elf) === facts.machine)
  const headers = Buffer.alloc(notesAt(blockSize))
  headers.set(
    encodeStruct(
      HEADER,
      {
        signature: SIGNATURE,
        header_version: BigInt(VERSION),
        sysname: facts.system ?? '',
        nodename: facts.hostName ?? '',
        release: facts.kernelRelease ?? '',
        version: facts.kernelVersion ?? '',
        machine: machine?.uname ?? '',
        domainname: '',
        tv_sec: acquisitionTime / 1_000_000_000n,
        tv_usec: (acquisitionTime % 1_000_000_000n) / 1000n,
        status: BigInt(codec | (complete ? 0 : INCOMPLETE)),
        block_size: BigInt(blockSize),
        sub_hdr_size: BigInt(bitmapsAt / blockSize - 1),
        bitmap_blocks: BigInt((2 * bitmapSize) / blockSize),
        max_mapnr: BigInt(Math.min(pages, 2 ** 32 - 1)),
        total_ram_blocks: 0n,
        device_blocks: 0n,
        written_blocks: 0n,
        current_cpu: 0n,
        nr_cpus: processors,
      },
      LP64,
    ),
  )
  const encoded = encodeNotes(notes)
  const text = vmcoreinfo === undefined ? -1 : Buffer.from(encoded).indexOf(Buffer.from(vmcoreinfo, 'latin1'))
  headers.set(
    encodeStruct(
      SUB_HEADER,
      {
        phys_base: physBase,
        dump_level: 0n,
        split: 0n,
        start_pfn: 0n,
        end_pfn: 0n,
        offset_vmcoreinfo: text < 0 ? 0n : BigInt(at + text),
        size_vmcoreinfo: text < 0 ? 0n : BigInt(vmcoreinfo?.length ?? 0),
        offset_note: encoded.length > 0 ? BigInt(at) : 0n,
        size_note: BigInt(encoded.length),
        offset_eraseinfo: 0n,
        size_eraseinfo: 0n,
        start_pfn_64: 0n,
        end_pfn_64: 0n,
        max_mapnr_64: BigInt(pages),
      },
      LP64,
    ),
    blockSize,
  )
  return { headers, notes: encoded }
}
