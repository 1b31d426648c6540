import fs from 'node:fs'
import { reasonOf } from '../../cli/failure.js'
import type { Bytes } from '../../formats/byte-source.js'
import type { Batch, Frame, NoteBody } from '../../frames/frame.js'
import { readPseudoFile } from '../../platform/linux/pseudo-file.js'
import type { ReadBytes } from '../address-space-frames.js'
import { imageStream, readMemory } from '../image-stream.js'

/** At most this much of one file is kept in memory. */
const MOST_CAPTURED = 64 << 20

/** What changes while memory is read: captured before it, sent after it. */
export const VOLATILE_FILES = [
  '/proc/kallsyms',
  '/proc/modules',
  '/proc/version',
  '/proc/cmdline',
  '/proc/iomem',
  '/proc/cpuinfo',
  '/proc/swaps',
  '/sys/kernel/notes',
  '/sys/kernel/vmcoreinfo',
] as const

/** What stays as it is while this kernel runs. */
export const lastingFiles = (release: string): string[] => [
  '/sys/kernel/btf/vmlinux',
  `/boot/System.map-${release}`,
  `/boot/config-${release}`,
  `/boot/vmlinuz-${release}`,
]

/** A file of /proc or /sys as it was. */
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

async function* capturedStream({ path, bytes, cut }: Captured, stream: number, program: string) {
  if (path === '/proc/kallsyms' && hidesAddresses(bytes))
    yield [warning(program, `${path}: every address is 0 (CAP_SYSLOG and kernel.kptr_restrict decide)`)]
  const image = { stream, name: path, path, size: BigInt(bytes.length), read: readMemory(bytes), program }
  yield* imageStream(cut ? { ...image, error: `only the first ${MOST_CAPTURED} bytes` } : image)
}

/** The first symbols of a kernel are those of each processor: small numbers, but not all 0. */
function hidesAddresses(kallsyms: Bytes): boolean {
  const lines = Buffer.from(kallsyms.buffer, kallsyms.byteOffset, Math.min(kallsyms.length, 1 << 16))
  return kallsyms.length > 0 && !/^(?!0+ )[0-9a-f]+ /m.test(lines.toString('latin1'))
}

function lackingNote({ path, error }: Lacking, program: string): Frame {
  const body: NoteBody = {
    level: error.code === 'ENOENT' ? 'info' : 'warning',
    program,
    message: `${path}: ${reasonOf(error)}`,
  }
  return { type: 'note', stream: 0, time: 0n, body }
}

function warning(program: string, message: string): Frame {
  return { type: 'note', stream: 0, time: 0n, body: { level: 'warning', program, message } }
}
