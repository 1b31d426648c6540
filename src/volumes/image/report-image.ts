import { byStart } from '../../formats/address-space.js'
import type { ByteSource } from '../../formats/byte-source.js'
import { clipLength } from '../../formats/clip-length.js'
import { FormatError } from '../../formats/format-error.js'
import { FORMATS } from '../../formats/image/formats.js'
import type { Image } from '../../formats/image/image.js'
import { findPartitions } from '../../formats/partitions/find-partitions.js'
import { recognise, TELLING_SIZE } from '../../formats/recognise.js'
import type { FileReport, ImageReport, Range } from './report.js'

/** @param parts files that were given and belong to it */
export async function reportImage(image: Image, file: string, parts: readonly string[]): Promise<FileReport> {
  return {
    file,
    parts,
    writtenBy: [],
    images: [await describe(image, file)],
    others: 0,
    incomplete: image.incomplete !== undefined,
  }
}

async function describe(image: Image, file: string): Promise<ImageReport> {
  const { format, variant, category, size, facts, digests, checks, incomplete, remarks } = image
  const disk = category?.startsWith('memory:') ? undefined : await lookInto(contentOf(image, file))
  return {
    name: undefined,
    format,
    title: FORMATS.find(({ name }) => name === format)?.title ?? format,
    variant,
    category,
    size,
    ranges: rangesOf(image),
    facts,
    digests,
    checks,
    incomplete: incomplete === undefined ? [] : [incomplete],
    remarks: disk?.unread === undefined ? remarks : [...remarks, disk.unread],
    companions: image.companions.map(({ name, category, source }) => ({ name, category, size: source.size })),
    partitions: disk?.partitions,
    beginsWith: disk?.beginsWith,
  }
}

function rangesOf({ runs, holes }: Image): Range[] {
  const ranges: Range[] = [...runs.map((run): Range => ({ ...run, content: 'present' })), ...holes]
  return ranges.sort(byStart)
}

/** A disk's bytes from 0 on; undefined where there are none. */
function contentOf({ runs: [first], read }: Image, name: string): ByteSource | undefined {
  if (first?.start !== 0n) return undefined
  const size = first.length
  return {
    name,
    size,
    async read(offset, length, into) {
      const here = clipLength(length, offset < size ? size - offset : 0n)
      return here === 0 ? new Uint8Array() : read(offset, here, into)
    },
    async close() {},
  }
}

interface DiskContent extends Partial<Pick<ImageReport, 'partitions' | 'beginsWith'>> {
  /** Why that could not be found out. */
  readonly unread?: string
}

async function lookInto(source: ByteSource | undefined): Promise<DiskContent> {
  if (!source || source.size === 0n) return {}
  try {
    const partitions = await findPartitions(source)
    if (partitions) return { partitions }
    return { beginsWith: recognise(Buffer.from(await source.read(0n, TELLING_SIZE)))?.what }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    return { unread: `what it begins with cannot be read: ${error.message}` }
  }
}
