import fs from 'node:fs'
import type { Bytes } from '../formats/byte-source.js'
import { readUninterrupted } from './read-uninterrupted.js'

const BLOCK = 1 << 20

/**
 * Reads a file of /proc or /sys to its end: its size says 0, and a read may bring only a page.
 * @param most bytes to read; `cut` tells that there were more
 * @throws the operating system's error
 */
export function readPseudoFile(path: string, most: number): { bytes: Buffer; cut: boolean } {
  const fd = fs.openSync(path, 'r')
  try {
    let bytes: Buffer = Buffer.alloc(Math.min(BLOCK, most + 1))
    let got = 0
    for (;;) {
      const count = readUninterrupted(fd, bytes, got, bytes.length - got, null)
      if (count === 0) return { bytes: bytes.subarray(0, got), cut: false }
      got += count
      if (got > most) return { bytes: bytes.subarray(0, most), cut: true }
      if (got === bytes.length) bytes = grown(bytes, most)
    }
  } finally {
    fs.closeSync(fd)
  }
}

function grown(bytes: Bytes, most: number): Buffer {
  const larger = Buffer.alloc(Math.min(bytes.length * 2, most + 1))
  larger.set(bytes)
  return larger
}
