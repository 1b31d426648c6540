/**
 * The codecs a chunk may be stored with, both directions:
 * `zlib` RFC 1950; `deflate` RFC 1951, only read; `snappy` the raw block, no framing;
 * `lz4` the raw block, without frame and without a length before it.
 */
export type CodecName = 'none' | 'zlib' | 'deflate' | 'snappy' | 'lz4'
/** Codecs that are written. */
export type WritableCodec = Exclude<CodecName, 'deflate'>
/** Those, and what only file formats use: `zstd`, where Node has it; `lzo` LZO1X, only read. */
export type FileCodec = CodecName | 'zstd' | 'lzo'
export type WritableFileCodec = WritableCodec | 'zstd'

/** Stored bytes that are not what their codec demands. The caller knows where they stood and says so. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
  constructor(
    readonly codec: FileCodec,
    reason: string,
    cause?: unknown,
  ) {
    super(`${codec}: ${reason}`, cause === undefined ? undefined : { cause })
  }
}

export function tooLong(limit: number): string {
  return `chunk holds more than ${limit} bytes`
}
