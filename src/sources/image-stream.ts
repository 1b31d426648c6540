import type { Bytes } from '../formats/byte-source.js'
import { formatAddress } from '../frames/address.js'
import type { Batch, CloseBody } from '../frames/frame.js'
import { type ReadBytes, spansToFrames } from './address-space-frames.js'
import { describe, long, text } from './facts.js'
import type { Facts } from './files/file-facts.js'

export interface ImageStream {
  /** Its id. */
  readonly stream: number
  readonly name: string
  /** The file that it is a copy of. */
  readonly path: string
  readonly size: bigint
  readonly read: ReadBytes
  /** Named in notes. */
  readonly program: string
  readonly batchesAlive?: number | undefined
  readonly category?: string
  /** What else is known of it. */
  readonly facts?: Facts
  /** Why this is not all of it. */
  readonly error?: string
}

/**
 * A file that goes along with a memory, from STREAM to CLOSE. It is no aff4:Image: readers that expect one
 * image in a volume must find the memory.
 */
export async function* imageStream({
  stream,
  name,
  path,
  size,
  read,
  program,
  batchesAlive,
  category,
  facts,
  error,
}: ImageStream): AsyncGenerator<Batch> {
  const turtle = describe(['aff4:FileImage'], {
    'aff4:originalFileName': text(path),
    'aff4:size': long(size),
    ...facts,
  })
  const named = category === undefined ? { name } : { name, category }
  yield [
    { type: 'stream', stream, time: 0n, body: { ...named, kind: 'image', size: formatAddress(size) } },
    { type: 'meta', stream, time: 0n, turtle },
  ]
  const spans = size > 0n ? [{ start: 0n, length: size }] : []
  const { covered } = yield* spansToFrames({ stream, spans, read, pageSize: 4096, program, batchesAlive })
  const bytes = Number(covered)
  const body: CloseBody =
    error === undefined ? { status: 'complete', bytes } : { status: 'failed', error, bytes }
  yield [{ type: 'close', stream, time: 0n, body }]
}

/** Reads what is already in memory. */
export const readMemory =
  (bytes: Bytes): ReadBytes =>
  (offset, length) =>
    bytes.subarray(Number(offset), Number(offset) + length)
