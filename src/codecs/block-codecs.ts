import { createRequire } from 'node:module'
import { CodecError } from './codec-error.js'
import { giveNotice } from './notices.js'
import { lz4Compress, lz4Decompress } from './portable/lz4.js'
import { snappyCompress, snappyDecompress } from './portable/snappy.js'
import { asBuffer } from './views.js'

/** snappy or lz4: blocks without a frame around them. */
export interface BlockCodec {
  compress(bytes: Uint8Array): Uint8Array
  /**
   * @param size of snappy what the block says that it holds, of lz4 the most that it may
   * @returns a buffer of its own
   * @throws {CodecError} when `stored` is damaged, or holds another size, of lz4 more
   */
  decompress(stored: Uint8Array, size: number): Uint8Array
}

const require = createRequire(import.meta.url)

/** Loaded with the first chunk: that takes 10 ms each, and most processes see one codec or none. */
export const snappy = addOnOr('snappy', nativeSnappy, {
  compress: snappyCompress,
  decompress: snappyDecompress,
})
export const lz4 = addOnOr('lz4', nativeLz4, { compress: lz4Compress, decompress: lz4Decompress })

/** The add-on where this platform has one, else what works everywhere; which, is decided at the first call. */
function addOnOr(name: 'snappy' | 'lz4', load: () => BlockCodec, portable: BlockCodec): () => BlockCodec {
  let chosen: BlockCodec | undefined
  return () => {
    chosen ??= choose()
    return chosen
  }
  function choose(): BlockCodec {
    try {
      return load()
    } catch {
      giveNotice({
        message: `no native ${name} for ${process.platform}-${process.arch} is installed: JavaScript in its place, 2 to 4 times slower`,
        hint: 'where there is one, npm install --include=optional brings it; the bytes are as good',
      })
      return portable
    }
  }
}

function nativeSnappy(): BlockCodec {
  const library = require('snappy') as typeof import('snappy')
  return {
    compress: (bytes) => library.compressSync(bytes, { copyOutputData: true }),
    decompress(stored) {
      try {
        return bytesOf(library.uncompressSync(stored, { asBuffer: true, copyOutputData: true }))
      } catch (cause) {
        throw damaged('snappy', cause)
      }
    },
  }
}

function bytesOf(output: string | Buffer): Buffer {
  if (typeof output === 'string') throw new TypeError('snappy gave text for bytes')
  return output
}

/** The package works on blocks with their u32 length in front. */
function nativeLz4(): BlockCodec {
  const library = require('lz4-napi') as typeof import('lz4-napi')
  let scratch = Buffer.alloc(0)
  return {
    compress: (bytes) => library.compressSync(asBuffer(bytes)).subarray(4),
    decompress(stored, size) {
      const length = 4 + stored.length
      if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(Math.max(length, 2 * scratch.length))
      const prefixed = scratch.subarray(0, length)
      prefixed.writeUInt32LE(size)
      prefixed.set(stored, 4)
      try {
        return library.uncompressSync(prefixed)
      } catch (cause) {
        throw damaged('lz4', cause)
      }
    },
  }
}

function damaged(codec: 'snappy' | 'lz4', cause: unknown): CodecError {
  const reason = cause instanceof Error ? cause.message.replace(/^snappy: /, '') : String(cause)
  return new CodecError(codec, `damaged: ${reason}`, cause)
}
