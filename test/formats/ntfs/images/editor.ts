import { readFileSync } from 'node:fs'
import type { Image } from './image.js'

/** Structures of a volume in memory, found and changed without the reader under test. */
export interface Editor {
  readonly bytes: Buffer
  readonly cluster: number
  readonly recordSize: number
  /** Number of the record of the file that the manifest has under this path. */
  record(path: string): number
  /** Where a record lies; in $MFT's first run alone. */
  place(record: number): number
  /** Changes a record as it is without fixups, and protects it again. */
  edit(record: number, change: (record: Buffer) => void): void
}

const STRIDE = 512

export function edit({ file, manifest }: Image): Editor {
  const bytes = readFileSync(file)
  const cluster = bytes.readUInt16LE(11) * bytes.readUInt8(13)
  const size = bytes.readInt8(64)
  const recordSize = size < 0 ? 2 ** -size : size * cluster
  const place = (record: number) => Number(bytes.readBigUInt64LE(48)) * cluster + record * recordSize
  return {
    bytes,
    cluster,
    recordSize,
    place,
    record: (path) => {
      const found = manifest.files.find((entry) => entry.path === path)
      if (!found) throw new Error(`${file} has no ${path}`)
      return found.record
    },
    edit: (record, change) => {
      const view = bytes.subarray(place(record), place(record) + recordSize)
      if (view.toString('latin1', 0, 4) !== 'FILE' || view.readUInt32LE(44) !== record)
        throw new Error(`${file}: record ${record} is not at ${place(record)}`)
      // The array's place is taken before the change, which may damage that, too.
      const array = view.readUInt16LE(4)
      for (let stride = 1; stride * STRIDE <= recordSize; stride++)
        view.copy(view, stride * STRIDE - 2, array + 2 * stride, array + 2 * stride + 2)
      change(view)
      for (let stride = 1; stride * STRIDE <= recordSize; stride++) {
        view.copy(view, array + 2 * stride, stride * STRIDE - 2, stride * STRIDE)
        view.copy(view, stride * STRIDE - 2, array, array + 2)
      }
    },
  }
}

/** A view of the unnamed attribute of a type in a record without fixups. */
export function attributeOf(record: Buffer, type: number): Buffer {
  for (let at = record.readUInt16LE(20); record.readUInt32LE(at) !== 0xffffffff; ) {
    const length = record.readUInt32LE(at + 4)
    if (record.readUInt32LE(at) === type && (record[at + 9] === 0 || type >= 0x90))
      return record.subarray(at, at + length)
    at += length
  }
  throw new Error(`record ${record.readUInt32LE(44)} has no attribute 0x${type.toString(16)}`)
}
