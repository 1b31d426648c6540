import fs from 'node:fs'
import { promisify } from 'node:util'
import { isDamage } from '../../formats/format-error.js'
import { formatAddress } from '../../frames/address.js'
import type { Batch } from '../../frames/frame.js'
import { openPipeInput } from '../../frames/pipe-input.js'
import { describeFile } from './file-facts.js'
import { displayPath } from './name.js'
import { readToEnd } from './read-to-end.js'
import { beginStream, miss, type Session } from './session.js'
import { pathStreamName } from './system-path.js'

/** Standard input, or another descriptor, read to its end as a stream called `path`. */
export async function* readPipe(session: Session, path: Buffer, fd: number): AsyncGenerator<Batch> {
  const stat = fs.fstatSync(fd, { bigint: true })
  const input = openPipeInput(fd, displayPath(path))
  const announce = (size: bigint | undefined) =>
    beginStream(
      session,
      { ...pathStreamName(path), kind: 'image', ...(size !== undefined && { size: formatAddress(size) }) },
      describeFile(path, stat, size),
    )
  try {
    yield* readToEnd(session, { path, announce, read: (into) => input.read(into) })
  } finally {
    input.close()
  }
}

/** A named pipe: waits for its writer, as `cat` does. */
export async function* readFifo(session: Session, path: Buffer): AsyncGenerator<Batch> {
  try {
    const fd = await Promise.race([promisify(fs.open)(path, fs.constants.O_RDONLY), session.stopped])
    // Whether the input takes the descriptor over is its affair, so it stays open until the process ends.
    if (fd !== undefined) yield* readPipe(session, path, fd)
  } catch (error) {
    if (!isDamage(error)) throw error
    miss(session, path, error)
  }
}
