import type { ByteSink, Bytes } from '../byte-source.js'
import { encodeFlatHeader, encodeFlatRecord } from './records.js'

/** A file written at positions through a sink that takes bytes only in sequence. */
export interface FlatWriter {
  /** May be called before the last call is over: bytes written later stand where both have written. */
  writeAt(offset: bigint, bytes: Bytes): Promise<void>
  /** Says that nothing follows: without it a reader knows that the file was cut. */
  end(): Promise<void>
}

export function flatWriter(sink: ByteSink): FlatWriter {
  let last: Promise<void> | undefined

  function write(...pieces: Bytes[]): Promise<void> {
    last = last ? last.then(() => sink.write(...pieces)) : sink.write(encodeFlatHeader(), ...pieces)
    // Met by who waits for it.
    last.catch(() => {})
    return last
  }
  return {
    writeAt: (offset, bytes) => write(encodeFlatRecord({ offset, size: BigInt(bytes.length) }), bytes),
    end: () => write(encodeFlatRecord('end')),
  }
}
