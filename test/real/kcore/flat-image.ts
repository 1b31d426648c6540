import { closeSync, openSync, readSync } from 'node:fs'
import type { Run } from '../../../src/formats/address-space.js'
import type { Bytes } from '../../../src/formats/byte-source.js'

export const PAGE = 4096

/** A file in which offset = physical address. */
export interface FlatImage {
  /** Whole pages: what lies beyond the file's end is zero. */
  read(address: bigint, length: number): Buffer
  close(): void
}

export function openFlatImage(file: string): FlatImage {
  const descriptor = openSync(file, 'r')
  return {
    read(address, length) {
      const bytes = Buffer.alloc(length)
      readSync(descriptor, bytes, 0, length, address)
      return bytes
    },
    close: () => closeSync(descriptor),
  }
}

const SPAN = 1 << 22

/** Visits every page of the runs in each of the images: `visit(address, page of the first, of the second, …)`. */
export function eachPage(
  runs: readonly Run[],
  images: readonly FlatImage[],
  visit: (address: bigint, ...pages: Bytes[]) => void,
): void {
  for (const { start, length } of runs) {
    for (let done = 0n; done < length; done += BigInt(SPAN)) {
      const wanted = length - done < SPAN ? Number(length - done) : SPAN
      const spans = images.map((image) => image.read(start + done, wanted))
      for (let at = 0; at < wanted; at += PAGE) {
        visit(start + done + BigInt(at), ...spans.map((span) => span.subarray(at, at + PAGE)))
      }
    }
  }
}
