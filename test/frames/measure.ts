import { type ByteInput, decode } from '../../src/frames/decode.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { encodeHeader, HEADER_SIZE, TYPES } from '../../src/frames/header.js'
import { bytesInput, encoded, imageOf } from './support.js'

// A program of its own: `node measure.js CASE` reads one large input and prints what that took. Only so is
// the memory of the process that of the reader.

const MIB = 1 << 20

/** The same bytes again and again, whole, up to about `total`. */
function repeated(bytes: Buffer, total: number): ByteInput {
  let at = 0
  let sent = 0
  return {
    name: 'repeated',
    async read(into) {
      if (sent >= total && at === 0) return 0
      const count = bytes.copy(into, 0, at, at + 300_000)
      at = (at + count) % bytes.length
      sent += count
      return count
    },
  }
}

/** A header that says what it likes, with a CRC that holds. */
function header(type: (typeof TYPES)[number], payloadLength: number): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE)
  const zero = { codec: 0, flags: 0, stream: 0, offset: 0n, length: 0n, time: 0n, payloadCrc: 0 }
  encodeHeader({ type: TYPES.indexOf(type) + 1, payloadLength, ...zero }, bytes, 0)
  return bytes
}

function fills(count: number) {
  const frames = imageOf([])
  const fill = (at: number) =>
    ({ type: 'fill', stream: 1, time: 0n, offset: BigInt(at), length: 1n, fill: 'zero' }) as const
  frames.splice(2, 0, ...Array.from({ length: count }, (_, at) => fill(at)))
  return frames
}

/** START claims a payload, and what follows is START again, or the beginning of one at every fourth byte. */
const claims = (claim: number, spacing: number) =>
  repeated(Buffer.concat([header('start', claim), Buffer.alloc(spacing - HEADER_SIZE, 'PMF1')]), 32 * MIB)

const json = (text: string) =>
  bytesInput(Buffer.concat([header('start', text.length), Buffer.from(text), header('meta', 0)]))

const LONGEST = 16 * MIB
const OPEN = '{"format":1,"programs":[],"x":'

const CASES: Record<string, () => ByteInput> = {
  '2 GiB': () => repeated(encoded(imageOf(new Array(64).fill(MIB))), 2 ** 31),
  'a million fills': () => repeated(encoded(fills(100_000)), 48_000_000),
  'deep arrays': () => json(`${OPEN}${'['.repeat(LONGEST / 2 - 20)}${']'.repeat(LONGEST / 2 - 20)}}`),
  'deep objects': () => json(`${OPEN}${'{"a":'.repeat(2 * MIB)}0${'}'.repeat(2 * MIB)}}`),
  'arrays never closed': () => json('['.repeat(LONGEST)),
  'many arrays': () => json(`${OPEN}[${'[],'.repeat(5 * MIB)}0]}`),
  'many keys': () =>
    json(`{"format":1,"programs":[],${Array.from({ length: MIB }, (_, at) => `"${at}":0`).join()}}`),
  'a long string': () => json(`${OPEN}"${'x'.repeat(LONGEST - 40)}"}`),
  'a long number': () => json(`${OPEN}${'9'.repeat(LONGEST - 40)}}`),
  'no JSON': () => json('\0'.repeat(LONGEST)),
}
for (const claim of [LONGEST, 4 * MIB - 97, MIB + 1])
  for (const spacing of [48, 1000])
    CASES[`claims of ${claim} every ${spacing} bytes`] = () => claims(claim, spacing)

const make = CASES[process.argv[2] ?? '']
if (!make) console.log(JSON.stringify(Object.keys(CASES)))
else {
  const input = make()
  const before = process.memoryUsage.rss()
  let frames = 0
  let evidence = 0n
  let most = before
  let refused = ''
  try {
    for await (const batch of decode(input)) {
      frames += batch.length
      for (const frame of batch) if (frame.type === 'data') evidence += frame.length
      most = Math.max(most, process.memoryUsage.rss())
    }
  } catch (error) {
    refused = error instanceof FrameError ? error.message : `DEFECT: ${error}`
  }
  most = Math.max(most, process.memoryUsage.rss())
  const facts = { grown: (most - before) / MIB, seconds: process.cpuUsage().user / 1e6 }
  console.log(JSON.stringify({ frames, evidence: Number(evidence), refused, ...facts }))
}
