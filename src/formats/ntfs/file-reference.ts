/** What points to a file: 48 bits record number, 16 bits sequence number. Sequence 0 means "any". */
export interface FileReference {
  readonly record: number
  readonly sequence: number
}

/** Reads the 8 bytes at `at`. */
export const decodeFileReference = (bytes: Buffer, at: number): FileReference => ({
  record: bytes.readUIntLE(at, 6),
  sequence: bytes.readUInt16LE(at + 6),
})

/** Whether a reference leads to the life of a record that bears this number. */
export const isSameFile = (reference: FileReference, record: number, sequence: number): boolean =>
  reference.record === record && (reference.sequence === 0 || reference.sequence === sequence)
