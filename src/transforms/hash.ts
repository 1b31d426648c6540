import { EXIT, ToolError } from '../cli/exit.js'
import type { Tool } from '../cli/tool.js'
import { DIGESTS, type DigestName, isDigestName } from '../codecs/digest.js'
import { MOST_ABSENT, openStreamDigest } from '../formats/stream-digest.js'
import { parseAddress } from '../frames/address.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { DigestFrame, FillFrame, Frame, Frames, StreamBody, StreamFrame } from '../frames/frame.js'
import { announcedBytes, announcedSize, hasBytes } from '../frames/streams.js'

/** pmem-hash: adds a DIGEST to each stream, and checks those that come with it. */
export const tool: Tool = {
  name: 'pmem-hash',
  role: 'transform',
  usage: 'ALGORITHM…',
  choices: DIGESTS,
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
  const near = absentIn(body) <= MOST_ABSENT
  const digest = openStreamDigest({ linear: near ? names : [], ranges: announced && near ? [] : names })
  const expected: DigestFrame[] = []

  return {
    chunkSize: body.chunkSize,
    expected,
    data: digest.data,
    fill: ({ offset, length, fill, value = 0 }: FillFrame) =>
      digest.fill(offset, length, fill === 'byte' ? value : fill),
    /** Our digests, but where the stream brought one already. */
    digests(id: number): DigestFrame[] {
      const all = digest.values(body.size === undefined ? 0n : parseAddress(body.size))
      const own: DigestFrame[] = []
      for (const { algorithm, value, covers } of all.filter((one) => one.covers === all[0]!.covers)) {
        const given = expected.find(
          (other) => other.body.algorithm === algorithm && other.body.covers === covers,
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
