import { asBuffer, asDataView } from '../../codecs/views.js'
import type { Run } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { max, min } from '../min-max.js'
import { type PlacedRun, readExactly } from '../placed-runs.js'
import { PAGE } from './header.js'

/*
 * What follows the header of a bitmap dump (Windows 8 and later): SUMMARY_DUMP with a bit for each page of the address
 * space, the lowest bit of the first byte for page 0. The pages whose bits are set follow, ascending.
 */
const SIGNATURES = ['SDMP', 'FDMP']
const VALID_DUMP = 'DUMP'
const FIRST_PAGE = 0x20
const PAGES = 0x28
const BITS = 0x30
/** Bytes before the bitmap. */
export const SUMMARY_SIZE = 0x38

/** A bitmap of 1 GiB: 32 TiB of addresses. */
export const MOST_BITMAP_BITS = 1n << 33n
/** Of a bitmap that alternates. */
export const MOST_RUNS = 1 << 20
const STEP = 1 << 20
const ALL_ONES = 0xffff_ffff

export interface Summary {
  /** Offset of the first page in the file. */
  readonly firstPage: bigint
  /** Pages in the file. */
  readonly pages: bigint
  /** Bits of the bitmap. */
  readonly bits: bigint
}

export const bitmapSize = (bits: bigint): bigint => (bits + 7n) / 8n

/** @param at where it stands @throws {FormatError} when it is none, or its pages begin inside of it */
export function decodeSummary(bytes: Bytes, at: bigint): Summary {
  if (bytes.length < SUMMARY_SIZE) throw new FormatError('what tells of the bitmap is cut off', at)
  const text = (start: number) => asBuffer(bytes.subarray(start, start + 4)).toString('latin1')
  if (!SIGNATURES.includes(text(0)) || text(4) !== VALID_DUMP)
    throw new FormatError('no bitmap follows the header', at)
  const view = asDataView(bytes)
  const firstPage = view.getBigUint64(FIRST_PAGE, true)
  const bits = view.getBigUint64(BITS, true)
  if (bits > MOST_BITMAP_BITS)
    throw new FormatError(
      `a bitmap of ${bits} pages; at most ${MOST_BITMAP_BITS} are read`,
      at + BigInt(BITS),
    )
  if (firstPage < at + BigInt(SUMMARY_SIZE) + bitmapSize(bits))
    throw new FormatError('the first page would stand in the bitmap', at + BigInt(FIRST_PAGE))
  return { firstPage, pages: view.getBigUint64(PAGES, true), bits }
}

/** @param bytes the former summary, or zeros: what else stands there is kept */
export function encodeSummary({ firstPage, pages, bits }: Summary, bytes: Bytes): void {
  const target = asBuffer(bytes)
  if (target[0] === 0) target.write(`${SIGNATURES[0]}${VALID_DUMP}`, 'latin1')
  target.writeBigUInt64LE(firstPage, FIRST_PAGE)
  target.writeBigUInt64LE(pages, PAGES)
  target.writeBigUInt64LE(bits, BITS)
}

/**
 * The runs whose bits are set, each with the place of its pages.
 * @param at where the bitmap stands
 * @throws {FormatError} when it is cut off, or tells of more than a million runs
 */
export async function readBitmap(
  source: ByteSource,
  at: bigint,
  { bits, firstPage }: Summary,
): Promise<PlacedRun[]> {
  const found: PlacedRun[] = []
  const size = Number(bitmapSize(bits))
  let offset = firstPage
  /** The first page of the run that is open. */
  let first = -1

  function close(behind: number): void {
    if (first < 0) return
    if (found.length === MOST_RUNS) throw new FormatError(`more than ${MOST_RUNS} runs of memory`, at)
    const length = BigInt(behind - first) * BigInt(PAGE)
    found.push({ start: BigInt(first) * BigInt(PAGE), length, offset })
    offset += length
    first = -1
  }
  function takeWord(word: number, page: number): void {
    if (word === ALL_ONES) {
      if (first < 0) first = page
    } else if (word === 0) close(page)
    else
      for (let bit = 0; bit < 32; bit++)
        if ((word >>> bit) & 1) {
          if (first < 0) first = page + bit
        } else close(page + bit)
  }

  const room = Buffer.alloc(Math.ceil(Math.min(size, STEP) / 4) * 4)
  const view = asDataView(room)
  for (let done = 0; done < size; done += STEP) {
    const here = Math.min(STEP, size - done)
    const bytes = await readExactly(source, at + BigInt(done), here, 'the bitmap lies')
    room.fill(0)
    room.set(bytes)
    // Bits behind the last one mean nothing.
    const last = Number(bits % 8n)
    if (last > 0 && done + here === size) room[here - 1]! &= (1 << last) - 1
    for (let i = 0; i < here; i += 4) takeWord(view.getUint32(i, true), (done + i) * 8)
  }
  close(Number(bits))
  return found
}

/**
 * Makes a part of a bitmap.
 * @param runs of whole pages, ascending; where one that counts may begin is for `from` to say
 * @param into the part, which is overwritten
 * @param at the byte of the bitmap that `into` begins with
 * @param from index of the first run that may end in the part or behind it
 * @returns that index for the part behind
 */
export function encodeBitmap(runs: readonly Run[], into: Bytes, at: number, from: number): number {
  into.fill(0)
  const begins = BigInt(at) * 8n
  const ends = begins + BigInt(into.length) * 8n
  let index = from
  for (; index < runs.length; index++) {
    const { start, length } = runs[index]!
    const first = start / BigInt(PAGE)
    const behind = first + length / BigInt(PAGE)
    if (first >= ends) break
    setBits(into, Number(max(first, begins) - begins), Number(min(behind, ends) - begins))
    if (behind > ends) break
  }
  return index
}

function setBits(bytes: Bytes, from: number, to: number): void {
  const [firstByte, lastByte] = [from >> 3, to >> 3]
  const [front, back] = [(0xff << (from & 7)) & 0xff, (1 << (to & 7)) - 1]
  if (firstByte === lastByte) {
    bytes[firstByte]! |= front & back
    return
  }
  bytes[firstByte]! |= front
  bytes.fill(0xff, firstByte + 1, lastByte)
  if (back > 0) bytes[lastByte]! |= back
}
