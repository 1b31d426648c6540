import { createCipheriv } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Run } from '../../../src/formats/address-space.js'
import type { Bytes } from '../../../src/formats/byte-source.js'
import { eachPage, type FlatImage, PAGE } from './flat-image.js'

/** Pages of known content, each different: a magic, the page's number, then bytes that don't compress. */
const MAGIC = Buffer.from('PMEM pattern')
const HEAD = 16
const NOISE = createCipheriv('aes-128-ctr', 'PMEM pattern key', Buffer.alloc(16)).update(
  Buffer.alloc(1 << 20),
)

function patternPage(number: number): Buffer {
  const page = Buffer.alloc(PAGE)
  MAGIC.copy(page)
  page.writeUInt32LE(number, MAGIC.length)
  const from = (number * 7919) % (NOISE.length - PAGE)
  NOISE.copy(page, HEAD, from, from + PAGE - HEAD)
  return page
}

export function writePattern(file: string, pages: number): void {
  writeFileSync(file, Buffer.concat(Array.from({ length: pages }, (_, number) => patternPage(number))))
}

/** Where the image holds which page of the pattern, whole. A page may have copies. */
export function findPattern(image: FlatImage, runs: readonly Run[]): Map<bigint, number> {
  const found = new Map<bigint, number>()
  eachPage(runs, [image], (address, page) => {
    const number = patternNumber(page!)
    if (number !== undefined) found.set(address, number)
  })
  return found
}

function patternNumber(page: Bytes): number | undefined {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.length)
  if (bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return undefined
  const number = bytes.readUInt32LE(MAGIC.length)
  return bytes.equals(patternPage(number)) ? number : undefined
}
