import { reasonOf } from '../cli/failure.js'
import type { Bytes } from '../formats/byte-source.js'
import { isDamage } from '../formats/format-error.js'
import type { Batch, Frame, NoteBody } from '../frames/frame.js'
import type { SystemFiles } from '../platform/system-files.js'
import { fileReader } from './file-reader.js'
import { imageStream, readMemory } from './image-stream.js'

/** At most this much of one file is kept in memory. */
const MOST_CAPTURED = 64 << 20

/** A file of the kernel's making as it was. */
export interface Captured {
  readonly path: string
  readonly bytes: Bytes
  /** There was more. */
  readonly cut: boolean
}

/** A file that could not be had. */
export interface Lacking {
  readonly path: string
  readonly error: NodeJS.ErrnoException
}

export async function captureFiles(
  files: SystemFiles,
  paths: readonly string[],
): Promise<(Captured | Lacking)[]> {
  const captured: (Captured | Lacking)[] = []
  for (const path of paths)
    try {
      captured.push({ path, ...(await files.readWhole(path, MOST_CAPTURED)) })
    } catch (error) {
      if (!isDamage(error)) throw error
      captured.push({ path, error })
    }
  return captured
}

/**
 * Streams of helper files, each whole, named by its path. What is not there is told in a NOTE.
 * @param firstId of the streams' ids
 */
export async function* helperStreams(
  files: SystemFiles,
  captured: readonly (Captured | Lacking)[],
  lasting: readonly string[],
  firstId: number,
  program: string,
  batchesAlive?: number,
): AsyncGenerator<Batch> {
  let id = firstId
  for (const file of captured)
    if ('error' in file) yield [lackingNote(file, program)]
    else yield* capturedStream(file, id++, program)
  for (const path of lasting) {
    let file: Awaited<ReturnType<SystemFiles['openLasting']>>
    try {
      file = await files.openLasting(path)
    } catch (error) {
      if (!isDamage(error)) throw error
      yield [lackingNote({ path, error }, program)]
      continue
    }
    const { size } = file
    try {
      file.expect?.(0n, size)
      const read = fileReader(file)
      yield* imageStream({ stream: id++, name: path, path, size, read, program, batchesAlive })
    } finally {
      file.close()
    }
  }
}

function capturedStream({ path, bytes, cut }: Captured, stream: number, program: string) {
  const image = { stream, name: path, path, size: BigInt(bytes.length), read: readMemory(bytes), program }
  return imageStream(cut ? { ...image, error: `only the first ${MOST_CAPTURED} bytes` } : image)
}

function lackingNote({ path, error }: Lacking, program: string): Frame {
  const body: NoteBody = {
    level: error.code === 'ENOENT' ? 'info' : 'warning',
    program,
    message: `${path}: ${reasonOf(error)}`,
  }
  return { type: 'note', stream: 0, time: 0n, body }
}
