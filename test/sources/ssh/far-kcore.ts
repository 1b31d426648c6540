import fs from 'node:fs'
import path from 'node:path'
import { craftKcore, fixture } from '../../platform/linux/fixture.js'
import type { Received } from '../collect.js'

const BASE = 0xffff888000000000n
/** Where its RAM begins in the file, beyond its address: no multiple of anything but a page. */
const SHIFT = 0x5000n

export const RAM: readonly (readonly [start: bigint, end: bigint])[] = [
  [0x1000n, 0x9f000n],
  [0x100000n, 0x2900000n],
  [0x100000000n, 0x100243000n],
]

/** Pages of zeros, which are none of the bytes that `byteAt` has. */
const HOLE = [0x300000n, 0x500000n] as const

const byteAt = (address: bigint): number =>
  address >= HOLE[0] && address < HOLE[1] ? 0 : (Number((address * 2654435761n) >> 13n) & 0xff) | 1

/** A page whose bytes depend on its address. */
function pageOf(address: bigint): Buffer {
  const page = Buffer.alloc(4096, byteAt(address))
  if (page[0] !== 0) page.writeBigUInt64LE(address, 0)
  return page
}

/** A kcore in a file, and an iomem that tells its ranges. */
export function writeKcore(folder: string): { kcore: string; iomem: string } {
  const real = fixture('l4.kcore')
  const notes = real.subarray(Number(real.readBigUInt64LE(64 + 8)))
  const kcore = path.join(folder, 'kcore')
  const fd = fs.openSync(kcore, 'w')
  const loads = RAM.map(([start, end]) => ({
    offset: start + SHIFT,
    vaddr: BASE + start,
    paddr: start,
    length: end - start,
  }))
  const note = { type: 4, offset: 0x1000n, vaddr: 0n, paddr: 0n, length: BigInt(notes.length) }
  fs.writeSync(fd, craftKcore([note, ...loads]), 0)
  fs.writeSync(fd, notes, 0, notes.length, 0x1000)
  for (const [start, end] of RAM)
    for (let address = start; address < end; address += 4096n)
      fs.writeSync(fd, pageOf(address), 0, 4096, Number(address + SHIFT))
  fs.closeSync(fd)
  const iomem = path.join(folder, 'iomem')
  const line = ([start, end]: readonly [bigint, bigint]) =>
    `${start.toString(16)}-${(end - 1n).toString(16)} : System RAM\n`
  fs.writeFileSync(iomem, RAM.map(line).join(''))
  return { kcore, iomem }
}

/** The first address at which frames do not say what the file holds; undefined where they all do, and cover it whole. */
export function firstDifference({ data, fills }: Received): string | undefined {
  const parts = [
    ...data.map(({ offset, bytes }) => ({ start: offset, length: BigInt(bytes.length), bytes })),
    ...fills.map(({ offset, length, fill }) => ({ start: offset, length, bytes: undefined, fill })),
  ].sort((a, b) => (a.start < b.start ? -1 : 1))
  let part = parts.shift()
  for (const [start, end] of RAM)
    for (let at = start; at < end; ) {
      if (part?.start !== at) return `0x${at.toString(16)}: no frame, or one too many`
      const stop = part.start + part.length
      for (let address = at; address < stop; address += 4096n) {
        const from = Number(address - at)
        const page = part.bytes ? Buffer.from(part.bytes.subarray(from, from + 4096)) : Buffer.alloc(4096)
        if (!part.bytes && 'fill' in part && part.fill !== 'zero')
          return `0x${address.toString(16)}: ${part.fill}`
        if (!page.equals(pageOf(address))) return `0x${address.toString(16)}: other bytes`
      }
      at = stop
      part = parts.shift()
    }
  return part && `0x${part.start.toString(16)}: behind all RAM`
}
