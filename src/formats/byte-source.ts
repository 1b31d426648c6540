/** Bytes as they travel inside pmem: a view, never a copy, unless a docstring says otherwise. */
export type Bytes = Uint8Array

/** A place in an open file. */
export interface FilePlace {
  readonly fd: number
  readonly offset: bigint
}

/** Random access to bytes that are already there: a file, a device, a stream inside a volume. */
export interface ByteSource {
  /** What a message calls it. */
  readonly name: string
  /** Size in bytes. */
  readonly size: bigint
  /** Where its bytes lie, as they are: threads read them for themselves. Valid until the file is closed. */
  readonly place?: FilePlace
  /**
   * Reads up to `length` bytes at `offset`; shorter only where the source ends.
   * @param into at least `length` bytes that may be used: the result is a view of them, or memory of its own
   * @throws the operating system's error, or a FormatError from a source that is itself a format
   */
  read(offset: bigint, length: number, into?: Bytes): Promise<Bytes>
  close(): Promise<void>
}

/** Sequential output. Offsets are counted, never patched, so a pipe serves as well as a file. */
export interface ByteSink {
  /** What a message calls it. */
  readonly name: string
  /** Bytes accepted so far: the offset at which the next write lands. */
  readonly position: bigint
  /**
   * Writes the pieces in order, one after another. They may be reused once the promise is fulfilled.
   * @throws the operating system's error; `position` then still tells what was written whole
   */
  write(...pieces: Bytes[]): Promise<void>
}
