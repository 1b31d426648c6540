import type { Editor } from './editor.js'

const PARENT = 16
const NAME = PARENT + 66

/**
 * The entries of indexes that lead from a directory to a file by a name, each as a view of the volume. Of those that the
 * end of a sector cuts only what lies before it is found.
 */
export function indexEntries({ bytes, place }: Editor, record: number, name: string): Buffer[] {
  const reference = Buffer.alloc(8)
  bytes.copy(reference, 0, place(record) + 16, place(record) + 18)
  reference.copy(reference, 6, 0, 2)
  reference.writeUIntLE(record, 0, 6)
  const key = Buffer.from(name, 'utf16le')
  const found: Buffer[] = []
  for (let at = bytes.indexOf(reference); at >= 0; at = bytes.indexOf(reference, at + 1)) {
    const isEntry =
      at % 8 === 0 &&
      bytes[at + NAME - 2] === name.length &&
      bytes.compare(key, 0, key.length, at + NAME, at + NAME + key.length) === 0
    if (isEntry) found.push(bytes.subarray(at, at + bytes.readUInt16LE(at + 8)))
  }
  return found
}
