import { encodeEntry, encodeFileName, encodeNameEntry, encodeRoot, protect } from './encode-index.js'
import { attributeOf } from './images/editor.js'

const RECORD = 1024
const FIRST = 64
const INDEX_NAME = Buffer.from('$I30', 'utf16le')

function attribute(type: number, value: Buffer, name = Buffer.alloc(0)): Buffer {
  const at = 24 + name.length
  const bytes = Buffer.alloc(Math.ceil((at + value.length) / 8) * 8)
  bytes.writeUInt32LE(type, 0)
  bytes.writeUInt32LE(bytes.length, 4)
  bytes[9] = name.length / 2
  bytes.writeUInt16LE(24, 10)
  bytes.writeUInt32LE(value.length, 16)
  bytes.writeUInt16LE(at, 20)
  name.copy(bytes, 24)
  value.copy(bytes, at)
  return bytes
}

/** A directory that holds one more, which hangs below it. */
function directoryRecord(number: number, name: string, parent: number, below: string | undefined): Buffer {
  const bytes = Buffer.alloc(RECORD)
  bytes.write('FILE', 0, 'latin1')
  bytes.writeUInt16LE(48, 4)
  bytes.writeUInt16LE(3, 6)
  bytes.writeUInt16LE(1, 16)
  bytes.writeUInt16LE(56, 20)
  bytes.writeUInt16LE(3, 22)
  bytes.writeUInt32LE(RECORD, 28)
  bytes.writeUInt32LE(number, 44)
  const entries = below === undefined ? [] : [directoryEntry(number + 1, below, number)]
  const attributes = [
    // Where names are long there is no room for both.
    ...(name.length < 100 ? [attribute(0x30, encodeFileName({ name, ...parentOf(parent) }))] : []),
    attribute(0x90, encodeRoot([...entries, encodeEntry(Buffer.alloc(8), undefined)]), INDEX_NAME),
  ]
  let at = 56
  for (const one of attributes) at += one.copy(bytes, at)
  bytes.writeUInt32LE(0xffffffff, at)
  bytes.writeUInt32LE(at + 8, 24)
  protect(bytes)
  return bytes
}

const parentOf = (parent: number) => ({ parent, parentSequence: parent === 5 ? 5 : 1 })

function directoryEntry(record: number, name: string, parent: number): Buffer {
  const entry = encodeNameEntry({ record, name, ...parentOf(parent) })
  entry.writeUInt32LE(0x10000000, 16 + 56)
  return entry
}

/**
 * A volume of directories, one below the other from the root on, in records from 64 on.
 * @param volume as mkntfs makes it, with clusters of 4 KiB
 */
export function nestDirectories(volume: Buffer, count: number, nameOf: (depth: number) => string): Buffer {
  const clusters = Math.ceil(((FIRST + count) * RECORD) / 4096)
  // One cluster more, for the last sector holds the copy of the first.
  const bytes = Buffer.alloc(volume.length + (clusters + 1) * 4096)
  volume.copy(bytes)
  const mft = volume.length
  const old = Number(volume.readBigUInt64LE(48)) * 4096
  volume.copy(bytes, mft, old, old + 16 * RECORD)
  bytes.writeBigUInt64LE(BigInt(bytes.length / 512 - 1), 40)
  bytes.writeBigUInt64LE(BigInt(mft / 4096), 48)
  edit(bytes, mft, (record) => {
    const data = attributeOf(record, 0x80)
    data.writeBigUInt64LE(BigInt(clusters - 1), 24)
    for (const at of [40, 48, 56]) data.writeBigUInt64LE(BigInt(clusters * 4096), at)
    const runs = data.subarray(data.readUInt16LE(32))
    runs[0] = 0x32
    runs.writeUInt16LE(clusters, 1)
    runs.writeUIntLE(mft / 4096, 3, 3)
    runs[6] = 0
  })
  edit(bytes, mft + 5 * RECORD, (record) => {
    // In place of what mkntfs gave the root, whose blocks stay unused.
    const root = attribute(
      0x90,
      encodeRoot([directoryEntry(FIRST, nameOf(0), 5), encodeEntry(Buffer.alloc(8), undefined)]),
      INDEX_NAME,
    )
    const at = record.readUInt16LE(20)
    root.copy(record, at)
    record.writeUInt32LE(0xffffffff, at + root.length)
    record.writeUInt32LE(at + root.length + 8, 24)
  })
  for (let depth = 0; depth < count; depth++) {
    const number = FIRST + depth
    const below = depth + 1 < count ? nameOf(depth + 1) : undefined
    directoryRecord(number, nameOf(depth), depth === 0 ? 5 : number - 1, below).copy(
      bytes,
      mft + number * RECORD,
    )
  }
  return bytes
}

function edit(bytes: Buffer, at: number, change: (record: Buffer) => void): void {
  const record = bytes.subarray(at, at + RECORD)
  const array = record.readUInt16LE(4)
  for (let stride = 1; stride <= 2; stride++)
    record.copy(record, stride * 512 - 2, array + 2 * stride, array + 2 * stride + 2)
  change(record)
  protect(record)
}
