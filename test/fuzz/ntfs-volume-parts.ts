import { ATTRIBUTE } from '../../src/formats/ntfs/attribute-type.js'
import type { FileAttribute } from '../../src/formats/ntfs/file-attribute.js'
import { type NtfsVolume, RECORD } from '../../src/formats/ntfs/volume.js'

/** Bytes of a volume that say where something lies, or what it is. */
export interface Part {
  readonly at: number
  readonly size: number
  /** Whether fixups protect it. */
  readonly protected: boolean
}

const STRIDE = 512
const INDEX_BLOCK = 4096
const LOG_PAGES = 16 * 4096
/** Of what is a file's own, and not structure. */
const CONTENT = new Set<number>([ATTRIBUTE.DATA])
const SYSTEM_STREAMS = new Set<number>([RECORD.BITMAP, RECORD.SECURE, RECORD.UP_CASE])

/** All metadata of a sound volume: boot sectors, records, index blocks, and streams that structures stand in. */
export async function partsOf(volume: NtfsVolume): Promise<Part[]> {
  const { geometry, mft, recordCount } = volume
  const boot = (at: bigint): Part => ({ at: Number(at), size: 512, protected: false })
  const parts = [boot(0n), boot(geometry.volumeSize)]
  const place = (attribute: FileAttribute, offset: number) => {
    const run = attribute.runs.find(({ vcn, length }) => offset < (vcn + length) * geometry.clusterSize)!
    return (run.lcn! - run.vcn) * geometry.clusterSize + offset
  }
  for (let number = 0; number < recordCount; number++) {
    const { recordSize } = geometry
    parts.push({ at: place(mft.attribute, number * recordSize), size: recordSize, protected: true })
    const file = await volume.file(number).catch(() => undefined)
    for (const attribute of file?.attributes ?? []) {
      const { type, name, runs, sizes } = attribute
      if (attribute.value || runs.some(({ lcn }) => lcn === undefined)) continue
      const size = Number(sizes.data)
      if (type === ATTRIBUTE.INDEX_ALLOCATION)
        for (let at = 0; at < size; at += INDEX_BLOCK)
          parts.push({ at: place(attribute, at), size: INDEX_BLOCK, protected: true })
      else if (number === RECORD.LOG_FILE && !name)
        parts.push({ at: place(attribute, 0), size: LOG_PAGES, protected: false })
      else if (!CONTENT.has(type) || SYSTEM_STREAMS.has(number))
        parts.push({
          at: place(attribute, 0),
          size: Math.min(size, runs[0]!.length * geometry.clusterSize),
          protected: false,
        })
    }
  }
  return parts.filter(({ size }) => size > 0)
}

/** Changes what a reader takes for the content of a part: the fixups of sound ones are undone before, and redone behind. */
export function changePart(view: Buffer, change: (plain: Buffer) => void): void {
  const array = view.readUInt16LE(4)
  const strides = view.length / STRIDE
  for (let stride = 1; stride <= strides; stride++)
    view.copy(view, stride * STRIDE - 2, array + 2 * stride, array + 2 * stride + 2)
  change(view)
  for (let stride = 1; stride <= strides; stride++) {
    view.copy(view, array + 2 * stride, stride * STRIDE - 2, stride * STRIDE)
    view.copy(view, stride * STRIDE - 2, array, array + 2)
  }
}

export const isSound = (view: Buffer): boolean => {
  const signature = view.toString('latin1', 0, 4)
  return (
    (signature === 'FILE' || signature === 'INDX') &&
    view.readUInt16LE(4) + 2 * (view.length / STRIDE + 1) <= view.length
  )
}
