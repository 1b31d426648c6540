import { pathToFileURL } from 'node:url'
import type { ByteInput } from '../../src/frames/decode.js'

/** A file of the package, from the compiled tests as from the sources. */
export const packageFile = (path: string): URL => new URL(path, pathToFileURL(`${process.cwd()}/`))

/** Bytes as an input that gives at most `step` of them a read. */
export function bytesInput(bytes: Buffer, step = bytes.length): ByteInput {
  let at = 0
  return {
    name: 'test input',
    async read(into) {
      const count = bytes.copy(into, 0, at, Math.min(bytes.length, at + step))
      at += count
      return count
    },
  }
}
