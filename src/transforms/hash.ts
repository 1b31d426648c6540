import { EXIT, ToolError } from '../cli/exit.js'
import type { Tool } from '../cli/tool.js'
import { DIGESTS, type DigestName, isDigestName, openDigests } from '../codecs/digest.js'
import { fillSymbolic, type SymbolicContent } from '../formats/aff4/symbolic.js'
import { min } from '../formats/min-max.js'
import { parseAddress } from '../frames/address.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { DigestFrame, FillFrame, Frame, Frames, StreamBody, StreamFrame } from '../frames/frame.js'
import { announcedBytes, announcedSize, hasBytes } from '../frames/streams.js'

/** Beyond this much that no frame covers or that is a hole, a digest is of the ranges alone. */
const MOST_ABSENT = 64n << 30n
const BLOCK = 1 << 20

/** pmem-hash: adds a DIGEST to each stream, and checks those that come with it. */
export const tool: Tool = {
  name: 'pmem-hash',
  role: 'transform',
  usage: 'ALGORITHM…',
  summary: `add digests to each stream: ${DIGESTS.join(', ')}`,
  options: {},
  operands: [1, DIGESTS.length],
  run({ operands, io }) {
    const unknown = operands.find((name) => !isDigestName(name))
    if (unknown !== undefined) throw new ToolError(EXIT.usage, `${unknown}: not one of ${DIGESTS.join(', ')}`)
    return io.send(hash(operands.filter(isDigestName))(io.frames()))
  },
}

/**
 * Digests of what a reader of each stream sees: bytes decoded, holes as they read. Everything else passes as
 * it came; a DIGEST that came is compared and takes the place of ours.
 */
export function hash(names: readonly DigestName[]): (frames: Frames) => Frames {
  return async function* (frames) {
    let stream: StreamHash | undefined
    for await (const batch of frames) {
      const out: Frame[] = []
      try {
        for (const frame of batch) {
          if (frame.type === 'stream') stream = hasBytes(frame.body) ? openStream(frame, names) : undefined
          else if (frame.type === 'data') stream?.data(frame.offset, chunkContent(frame, stream.chunkSize))
          else if (frame.type === 'fill') stream?.fill(frame)
          else if (frame.type === 'digest') stream?.expected.push(frame)
          else if (frame.type === 'close' && stream) {
            if (frame.body.status === 'complete') out.push(...stream.digests(frame.stream))
            stream = undefined
          }
          out.push(frame)
        }
      } catch (error) {
        yield out
        throw error
      }
      yield out
    }
  }
}

type StreamHash = ReturnType<typeof openStream>

function openStream({ body }: StreamFrame, names: readonly DigestName[]) {
  if (body.ordered === false)
    throw new ToolError(EXIT.data, `${body.name}: cannot be hashed: its frames come in no order`)
  // Where the ranges are announced it is known which digest it will be; else both are kept until it is.
  const announced = body.kind === 'image' || body.ranges !== undefined
  let linear = absentIn(body) > MOST_ABSENT ? undefined : openDigests(names)
  const ranges = announced && linear ? undefined : openDigests(names)
  const block = Buffer.alloc(BLOCK)
  const expected: DigestFrame[] = []
  let position = 0n
  let absent = 0n

  function update(bytes: Uint8Array): void {
    linear?.update(bytes)
    ranges?.update(bytes)
  }

  function hashSymbolic(content: SymbolicContent, from: bigint, to: bigint, into = update): void {
    for (let at = from; at < to; ) {
      // Up to the next multiple of a block, so that a block holds the same text each time.
      const length = Number(min(to - at, BigInt(BLOCK) - (at % BigInt(BLOCK))))
      const piece = block.subarray(0, length)
      fillSymbolic(content, at, piece)
      into(piece)
      at += BigInt(length)
    }
  }

  function gapTo(offset: bigint): void {
    absent += offset - position
    if (absent > MOST_ABSENT && ranges) linear = undefined
    if (linear) hashSymbolic('zero', position, offset, linear.update)
    position = offset
  }

  return {
    chunkSize: body.chunkSize,
    expected,
    data(offset: bigint, bytes: Uint8Array): void {
      gapTo(offset)
      update(bytes)
      position = offset + BigInt(bytes.length)
    },
    fill(frame: FillFrame): void {
      gapTo(frame.offset)
      hashSymbolic(
        frame.fill === 'byte' ? (frame.value ?? 0) : frame.fill,
        frame.offset,
        frame.offset + frame.length,
      )
      position = frame.offset + frame.length
    },
    /** Our digests, but where the stream brought one already. */
    digests(id: number): DigestFrame[] {
      if (body.size !== undefined && parseAddress(body.size) > position) gapTo(parseAddress(body.size))
      const covers = linear ? 'linear' : 'ranges'
      const own: DigestFrame[] = []
      for (const [algorithm, value] of (linear ?? ranges)!.values()) {
        const given = expected.find(
          (digest) => digest.body.algorithm === algorithm && digest.body.covers === covers,
        )
        if (!given) own.push({ type: 'digest', stream: id, time: 0n, body: { algorithm, value, covers } })
        else if (given.body.value.toLowerCase() !== value)
          throw new ToolError(
            EXIT.data,
            `${body.name}: ${algorithm} is ${value}, but ${given.body.value} came with it`,
          )
      }
      return own
    },
  }
}

/** Addresses below the size of the stream that no announced range covers. */
function absentIn(body: StreamBody): bigint {
  return body.ranges ? announcedSize(body) - announcedBytes(body) : 0n
}
