import fs from 'node:fs'
import type { ByteSource, Bytes } from './byte-source.js'

/**
 * A regular file as a ByteSource.
 * @throws the operating system's error
 */
export function openFileSource(path: string): ByteSource {
  const fd = fs.openSync(path, 'r')
  const size = fs.fstatSync(fd, { bigint: true }).size
  return {
    name: path,
    size,
    place: { fd, offset: 0n },
    async read(offset, length, into): Promise<Bytes> {
      const wanted = offset >= size ? 0 : Math.min(length, Number(size - offset))
      const bytes = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
      let filled = 0
      while (filled < bytes.length) {
        const count = fs.readSync(fd, bytes, filled, bytes.length - filled, offset + BigInt(filled))
        if (count === 0) break
        filled += count
      }
      return bytes.subarray(0, filled)
    },
    close: async () => fs.closeSync(fd),
  }
}
