import { attributeOf, type Editor } from './editor.js'

/** What the checklist of hostile input (ntfs.md, section 22) asks of a reader. */
export type Outcome =
  /** All is read as if nothing were wrong, with a finding. */
  | 'reported'
  /** Bytes of the object are unreadable, or it is refused, with the reason; all else is read. */
  | 'object lost'
  /** The volume is refused, with the reason. */
  | 'volume refused'

/** A change of the volume `small`. */
export interface Damage {
  readonly name: string
  /** Path of the file that it damages; undefined: none, or the volume's own structures. */
  readonly path?: string
  readonly outcome: Outcome
  patch(volume: Editor): void
}

const DATA = 0x80
const ATTRIBUTE_LIST = 0x20
const INDEX_ROOT = 0x90
const RESIDENT = 'size-100'
const CLUSTERS = 'size-300000'
const COMPRESSED = 'lznt1/prose'
const LISTED = 'links/many'
const FOLDER = 'streams'

/** Changes the record of a file. */
const inRecord =
  (path: string, change: (record: Buffer) => void) =>
  (volume: Editor): void =>
    volume.edit(volume.record(path), change)

/** Changes an attribute of a file, and where its run list begins. */
const inAttribute = (path: string, type: number, change: (attribute: Buffer, runs: Buffer) => void) =>
  inRecord(path, (record) => {
    const attribute = attributeOf(record, type)
    change(attribute, attribute[8] === 1 ? attribute.subarray(attribute.readUInt16LE(32)) : Buffer.alloc(0))
  })

const bootCopy = (volume: Editor): number =>
  Number(volume.bytes.readBigUInt64LE(40)) * volume.bytes.readUInt16LE(11)

function inBoot(change: (boot: Buffer) => void, both = false) {
  return (volume: Editor): void => {
    const copy = bootCopy(volume)
    change(volume.bytes.subarray(0, 512))
    if (both) change(volume.bytes.subarray(copy, copy + 512))
  }
}

/** The attribute list of a file where it lies in clusters, in one run. */
export function listOf(volume: Editor, path: string): Buffer {
  const record = volume.place(volume.record(path))
  const list = attributeOf(volume.bytes.subarray(record, record + volume.recordSize), ATTRIBUTE_LIST)
  if (list[8] !== 1) throw new Error(`the attribute list of ${path} is resident`)
  const run = list.readUInt16LE(32)
  const [lengthBytes, offsetBytes] = [list[run]! & 15, list[run]! >> 4]
  const at = list.readIntLE(run + 1 + lengthBytes, offsetBytes) * volume.cluster
  return volume.bytes.subarray(at, at + Number(list.readBigUInt64LE(48)))
}

const mirror = (volume: Editor): number => Number(volume.bytes.readBigUInt64LE(56)) * volume.cluster

export const DAMAGES: readonly Damage[] = [
  { name: 'boot sector zeroed', outcome: 'reported', patch: inBoot((boot) => boot.fill(0)) },
  {
    name: 'both boot sectors zeroed',
    outcome: 'volume refused',
    patch: inBoot((boot) => boot.fill(0), true),
  },
  { name: 'no bytes a sector', outcome: 'reported', patch: inBoot((boot) => boot.writeUInt16LE(0, 11)) },
  { name: 'three sectors a cluster', outcome: 'reported', patch: inBoot((boot) => boot.writeUInt8(3, 13)) },
  { name: 'no sectors', outcome: 'reported', patch: inBoot((boot) => boot.writeBigUInt64LE(0n, 40)) },
  { name: '$MFT at cluster 0', outcome: 'reported', patch: inBoot((boot) => boot.writeBigUInt64LE(0n, 48)) },
  { name: 'records of 2^127 bytes', outcome: 'reported', patch: inBoot((boot) => boot.writeInt8(-127, 64)) },
  {
    name: 'record 0 zeroed',
    outcome: 'reported',
    patch: (volume) => volume.bytes.fill(0, volume.place(0), volume.place(1)),
  },
  {
    name: 'record 0 and its mirror zeroed',
    outcome: 'volume refused',
    patch: (volume) => {
      volume.bytes.fill(0, volume.place(0), volume.place(1))
      volume.bytes.fill(0, mirror(volume), mirror(volume) + volume.recordSize)
    },
  },
  {
    name: 'record of a file zeroed',
    path: RESIDENT,
    outcome: 'object lost',
    patch: (volume) => {
      const at = volume.place(volume.record(RESIDENT))
      volume.bytes.fill(0, at, at + volume.recordSize)
    },
  },
  {
    name: 'torn fixup in the second stride',
    path: RESIDENT,
    outcome: 'reported',
    patch: (volume) => {
      const last = volume.place(volume.record(RESIDENT)) + volume.recordSize - 2
      volume.bytes.writeUInt16LE(volume.bytes.readUInt16LE(last) ^ 0xffff, last)
    },
  },
  {
    name: 'fixup array behind the record',
    path: RESIDENT,
    outcome: 'object lost',
    patch: (volume) => void volume.bytes.writeUInt16LE(0xfffe, volume.place(volume.record(RESIDENT)) + 4),
  },
  {
    name: 'first attribute behind the record',
    path: RESIDENT,
    outcome: 'object lost',
    patch: inRecord(RESIDENT, (record) => record.writeUInt16LE(0xfff8, 20)),
  },
  {
    name: 'more bytes in use than a record has',
    path: RESIDENT,
    outcome: 'reported',
    patch: inRecord(RESIDENT, (record) => record.writeUInt32LE(0xfffffff8, 24)),
  },
  {
    name: 'attribute of length 0',
    path: RESIDENT,
    outcome: 'object lost',
    patch: inAttribute(RESIDENT, DATA, (attribute) => attribute.writeUInt32LE(0, 4)),
  },
  {
    name: 'attribute longer than its record',
    path: RESIDENT,
    outcome: 'object lost',
    patch: inAttribute(RESIDENT, DATA, (attribute) => attribute.writeUInt32LE(0x7ffffff8, 4)),
  },
  {
    name: 'value longer than its attribute',
    path: RESIDENT,
    outcome: 'object lost',
    patch: inAttribute(RESIDENT, DATA, (attribute) => attribute.writeUInt32LE(0x7fffffff, 16)),
  },
  {
    name: 'run of nine bytes of length',
    path: CLUSTERS,
    outcome: 'object lost',
    patch: inAttribute(CLUSTERS, DATA, (_, runs) => runs.writeUInt8(0x19, 0)),
  },
  {
    name: 'run before the volume',
    path: CLUSTERS,
    outcome: 'object lost',
    patch: inAttribute(CLUSTERS, DATA, (_, runs) => runs.set([0x11, 0x4a, 0x80, 0])),
  },
  {
    name: 'run behind the volume',
    path: CLUSTERS,
    outcome: 'object lost',
    patch: inAttribute(CLUSTERS, DATA, (_, runs) => runs.set([0x31, 0x4a, 0xff, 0xff, 0x7f, 0])),
  },
  {
    name: 'run that ends nowhere',
    path: CLUSTERS,
    outcome: 'object lost',
    patch: inAttribute(CLUSTERS, DATA, (attribute, runs) =>
      attribute.writeUInt16LE(attribute.length - runs.length + 0x100, 32),
    ),
  },
  {
    name: 'size of 2^63 - 1 bytes',
    path: CLUSTERS,
    outcome: 'object lost',
    patch: inAttribute(CLUSTERS, DATA, (attribute) => attribute.writeBigInt64LE(2n ** 63n - 1n, 48)),
  },
  {
    name: 'more initialised than there is',
    path: CLUSTERS,
    outcome: 'reported',
    patch: inAttribute(CLUSTERS, DATA, (attribute) => attribute.writeBigInt64LE(2n ** 62n, 56)),
  },
  {
    name: 'compression unit of 2^200 clusters',
    path: COMPRESSED,
    outcome: 'reported',
    patch: inAttribute(COMPRESSED, DATA, (attribute) => attribute.writeUInt16LE(200, 34)),
  },
  {
    name: 'attribute list with an entry of length 0',
    path: LISTED,
    outcome: 'object lost',
    patch: (volume) => void listOf(volume, LISTED).writeUInt16LE(0, 4),
  },
  {
    name: 'attribute list that leads to another file',
    path: LISTED,
    outcome: 'object lost',
    patch: (volume) => {
      const list = listOf(volume, LISTED)
      for (
        let at = 0;
        at + 26 <= list.length && list.readUInt16LE(at + 4) >= 26;
        at += list.readUInt16LE(at + 4)
      )
        list.writeUIntLE(volume.record(RESIDENT), at + 16, 6)
    },
  },
  {
    name: 'index entry of length 0',
    path: FOLDER,
    outcome: 'object lost',
    patch: inAttribute(FOLDER, INDEX_ROOT, (attribute) => {
      const node = attribute.readUInt16LE(20) + 16
      attribute.writeUInt16LE(0, node + attribute.readUInt32LE(node) + 8)
    }),
  },
  {
    name: 'first index entry behind the root',
    path: FOLDER,
    outcome: 'object lost',
    patch: inAttribute(FOLDER, INDEX_ROOT, (attribute) =>
      attribute.writeUInt32LE(0x7ffffff8, attribute.readUInt16LE(20) + 16),
    ),
  },
]
