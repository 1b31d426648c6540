import fs from 'node:fs'
import { reasonOf } from '../cli/failure.js'
import type { Bytes } from '../formats/byte-source.js'
import type { Batch, Frame, NoteBody } from '../frames/frame.js'
import { readPseudoFile } from '../platform/pseudo-file.js'
import type { ReadBytes } from './address-space-frames.js'
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

export function captureFiles(paths: readonly string[]): (Captured | Lacking)[] {
  return paths.map((path) => {
    try {
      return { path, ...readPseudoFile(path, MOST_CAPTURED) }
    } catch (error) {
      return { path, error: error as NodeJS.ErrnoException }
    }
  })
}

/**
 * Streams of helper files, each whole, named by its path. What is not there is told in a NOTE.
 * @param firstId of the streams' ids
 */
export async function* helperStreams(
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
    let fd: number
    try {
      fd = fs.openSync(path, 'r')
    } catch (error) {
      yield [lackingNote({ path, error: error as NodeJS.ErrnoException }, program)]
      continue
    }
    try {
      const { size } = fs.fstatSync(fd, { bigint: true })
      const read: ReadBytes = (offset, length, slab) =>
        slab.subarray(0, fs.readSync(fd, slab, 0, length, offset))
      yield* imageStream({ stream: id++, name: path, path, size, read, program, batchesAlive })
    } finally {
      fs.closeSync(fd)
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
