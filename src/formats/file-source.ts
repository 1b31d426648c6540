import fs from 'node:fs'
import { readUninterrupted } from '../platform/read-uninterrupted.js'
import type { ByteSource, Bytes } from './byte-source.js'

/**
 * A regular file as a ByteSource.
 * @throws the operating system's error
 */
export function openFileSource(path: string): ByteSource {
  const fd = fs.openSync(path, 'r')
  return descriptorSource(fd, path, fs.fstatSync(fd, { bigint: true }).size)
}

/** The same; undefined where there is no such file. */
export function openFileIfThere(path: string): ByteSource | undefined {
  try {
    return openFileSource(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Reads from `offset` on until `into` is full or no more comes at once, and says how many bytes came. */
export type ReadAt = (offset: bigint, into: Bytes) => number

/** What a descriptor is open on as a ByteSource, which owns the descriptor from now on. */
export function descriptorSource(
  fd: number,
  name: string,
  size: bigint,
  readAt: ReadAt = (offset, into) => readUninterrupted(fd, into, 0, into.length, offset),
): ByteSource {
  return {
    name,
    size,
    place: { fd, offset: 0n },
    async read(offset, length, into): Promise<Bytes> {
      const wanted = offset >= size ? 0 : Math.min(length, Number(size - offset))
      const bytes = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
      let filled = 0
      while (filled < bytes.length) {
        const count = readAt(offset + BigInt(filled), bytes.subarray(filled))
        if (count === 0) break
        filled += count
      }
      return bytes.subarray(0, filled)
    },
    close: async () => fs.closeSync(fd),
  }
}
