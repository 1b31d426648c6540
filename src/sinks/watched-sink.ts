import type { Output } from '../cli/output.js'
import type { ByteSink, Bytes } from '../formats/byte-source.js'
import { openDiskReserve } from './disk-reserve.js'

/** An output with room set aside for its end, which knows whether anything could not be written or set aside. */
export interface WatchedSink extends ByteSink {
  /** The disk is full, or gone. */
  readonly failed: boolean
  /** Makes sure that so many bytes can still be written, where that can be made sure of. */
  hold(bytes: number): void
  /** Gives that room back, for the end to be written into. */
  release(): void
  /** As `Output`. */
  writeAt(offset: bigint, bytes: Bytes): Promise<void>
}

export function watchSink(output: Output): WatchedSink {
  const reserve = output.seekable ? openDiskReserve(output.path, output.space) : undefined
  let failed = false
  function failing<T>(error: T): T {
    failed = true
    return error
  }
  return {
    name: output.name,
    get position() {
      return output.position
    },
    get failed() {
      return failed
    },
    async write(...pieces) {
      try {
        await output.write(...pieces)
      } catch (error) {
        throw failing(error)
      }
    },
    async writeAt(offset, bytes) {
      try {
        await output.writeAt(offset, bytes)
      } catch (error) {
        throw failing(error)
      }
    },
    hold(bytes) {
      try {
        reserve?.hold(bytes)
      } catch (error) {
        throw failing(error)
      }
    },
    release() {
      reserve?.release()
    },
  }
}
