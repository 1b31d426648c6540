import { createHash } from 'node:crypto'
import { launch } from '../../src/cli/launch.js'
import { parseSize } from '../../src/cli/sizes.js'
import type { Tool } from '../../src/cli/tool.js'
import { formatAddress } from '../../src/frames/address.js'
import type { Frames } from '../../src/frames/frame.js'

const MIB = 1 << 20
const CHUNK = 32 << 10
/** More than batches that are alive at once. */
const SLABS = 8

/** A memory of any size, as fast as pipes go: of each 8 MiB 128 KiB do not compress, the rest of two does, and six are zeros. */
const tool: Tool = {
  name: 'soak-source',
  role: 'source',
  usage: 'SIZE',
  summary: 'sends a memory that is made up',
  operands: [1, 1],
  options: {},
  run: ({ io, operands }) => io.transmit(memory(Number(parseSize(operands[0]!)))),
}

async function* memory(size: number): Frames {
  const ofStream = { stream: 1, time: 0n }
  const ranges: [string, string][] = [['0x0', formatAddress(BigInt(size))]]
  const body = { name: 'PhysicalMemory', kind: 'map', category: 'memory:physical', ranges } as const
  yield [{ type: 'stream', ...ofStream, body: { ...body, size: formatAddress(BigInt(size)) } }]
  const slabs = Array.from({ length: SLABS }, (_, index) => slabOf(index))
  for (let at = 0; at < size; at += MIB) {
    const payload = slabs[(at / MIB) % SLABS]!.subarray(0, Math.min(MIB, size - at))
    // Each chunk that is not zeros is another one.
    for (let from = 0; from < payload.length; from += CHUNK)
      if (payload[from + 8] !== 0) payload.writeDoubleLE(at + from, from)
    const length = BigInt(payload.length)
    const place = { offset: BigInt(at), length, codec: 'none', padded: false } as const
    yield [{ type: 'data', ...ofStream, ...place, payload }]
  }
  yield [{ type: 'close', ...ofStream, body: { status: 'complete', bytes: size } }]
}

function slabOf(index: number): Buffer {
  const slab = Buffer.alloc(MIB)
  for (let from = 0; from < MIB; from += CHUNK) {
    const chunk = slab.subarray(from, from + CHUNK)
    const isDense = index === 0 && from < 4 * CHUNK
    const isText = index < 2
    if (isDense)
      for (let at = 0; at < CHUNK; at += 64)
        chunk.set(createHash('sha512').update(`${index} ${from} ${at}`).digest(), at)
    else if (isText) chunk.fill(`a page of ${index}, chunk ${from}; `)
    if (isText) chunk[8] = 1
  }
  return slab
}

void launch(Promise.resolve({ tool }))
