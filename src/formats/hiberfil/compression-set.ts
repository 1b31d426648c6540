import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { PAGE } from './header.js'

/*
 * A set of pages that Windows compressed together, little-endian: a u32 with the number of its descriptors (8 bits), the
 * size of its compressed bytes (22 bits) and how they are compressed (2 bits); the descriptors, a word each: pages less
 * one (4 bits) and the first page; the compressed bytes.
 */
const HEAD_SIZE = 4
const COUNT_MASK = 0xff
const SIZE_SHIFT = 8
const SIZE_MASK = 0x3f_ffff
const METHOD_SHIFT = 30
const DESCRIPTOR_BITS = 4n
const LENGTH_MASK = 0xfn
/** Descriptors may name one page each. */
export const MOST_PAGES = 16

/** How a set is compressed, unless it is not: then its size is that of its pages. */
export const METHOD = { PLAIN: 0, UNKNOWN: 1, HUFFMAN: 2, HUFFMAN_MOST: 3 } as const

export interface CompressionSet {
  /** In the order in which they are in there. */
  readonly pages: readonly bigint[]
  /** Bytes before the compressed ones. */
  readonly start: number
  /** Of the compressed bytes. */
  readonly size: number
  readonly method: number
}

/** Bytes of a set, with words of so many bytes, of which the compressed ones begin at the latest behind that. */
export const largestHead = (word: 4 | 8): number => HEAD_SIZE + MOST_PAGES * word

/**
 * @param bytes as many as `largestHead` tells, fewer where the file ends
 * @returns what is wrong with it where it is no set
 */
export function decodeSet(bytes: Bytes, word: 4 | 8, highestPage: bigint): CompressionSet | string {
  if (bytes.length < HEAD_SIZE) return 'the file ends'
  const view = asDataView(bytes)
  const state = view.getUint32(0, true)
  const count = state & COUNT_MASK
  if (count === 0 || count > MOST_PAGES) return `a set has ${count} descriptors`
  const start = HEAD_SIZE + count * word
  if (bytes.length < start) return 'the file ends'
  const pages: bigint[] = []
  for (let at = HEAD_SIZE; at < start; at += word) {
    const descriptor = word === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true))
    const first = descriptor >> DESCRIPTOR_BITS
    const last = first + (descriptor & LENGTH_MASK)
    if (last > highestPage) return `a set tells of page ${last}, and the highest one is ${highestPage}`
    for (let page = first; page <= last; page++) pages.push(page)
  }
  if (pages.length > MOST_PAGES) return `a set has ${pages.length} pages`
  const size = (state >>> SIZE_SHIFT) & SIZE_MASK
  if (size === 0 || size > pages.length * PAGE) return `a set of ${pages.length} pages takes ${size} bytes`
  return { pages, start, size, method: state >>> METHOD_SHIFT }
}
