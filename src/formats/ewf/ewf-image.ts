import type { ByteSource } from '../byte-source.js'
import { openEx01Medium } from '../ewf2/ex01-medium.js'
import { isEx01 } from '../ewf2/structs.js'
import { FormatError } from '../format-error.js'
import type { Image, SurroundingFiles, Surroundings } from '../image/image.js'
import type { StatedDigest } from '../stream-digest.js'
import { type DigestedMedium, digestMedium } from './digested-medium.js'
import { type EwfMedium, openEwfMedium } from './ewf-medium.js'
import { clipRanges, withoutHoles } from './medium-ranges.js'
import { MEDIA_FLAG, MEDIA_TYPE } from './structs.js'
import type { Medium } from './volume.js'

const MAGIC_SIZE = 8
/** The most that fails together, as reading takes it. */
const LARGEST_UNIT = 1 << 20

/** Opens an EWF image: of a disk or a memory as it is, or of what holds a memory. @throws as `openEwfMedium` */
export async function openEwfImage(file: ByteSource, surroundings: Surroundings): Promise<Image> {
  const opened = await openMedium(file, surroundings)
  try {
    return await imageOf(opened, surroundings)
  } catch (error) {
    await opened.source.close()
    throw error
  }
}

/** Opens the medium of an EWF image for who reads file systems. @throws as `openEwfMedium` */
export async function openEwfSource(file: ByteSource, surroundings: SurroundingFiles): Promise<ByteSource> {
  const { source, ranges, incomplete } = await openMedium(file, surroundings)
  if (incomplete !== undefined) surroundings.warn(incomplete)
  return withoutHoles(source, ranges.holes)
}

/** Of either version. */
const openMedium = async (file: ByteSource, surroundings: SurroundingFiles): Promise<EwfMedium> =>
  isEx01(await file.read(0n, MAGIC_SIZE))
    ? openEx01Medium(file, surroundings)
    : openEwfMedium(file, surroundings)

async function imageOf(opened: EwfMedium, surroundings: Surroundings): Promise<Image> {
  const { variant, medium, source, facts } = opened
  const size = trueSize(opened)
  const ranges = clipRanges(opened.ranges, size)
  const remarks = [...opened.remarks]
  const comparable = opened.incomplete === undefined
  if (!comparable && opened.digests.length > 0)
    remarks.push('its digests cannot be compared: not all of it is there')
  const stated = comparable ? opened.digests : []
  const noted = comparable && opened.noted.sha256 !== undefined ? [linear('sha256', opened.noted.sha256)] : []
  // Of patterns, and of chunks whose writer left it out, an Ex01 has none.
  const checks = [variant === 'Ex01' ? 'Adler-32 of each chunk that has one' : 'Adler-32 of each chunk']
  const close = () => source.close()

  const digested = stated.length > 0 ? digestMedium(source, stated) : undefined
  const { content, begin } = watched(withoutHoles(source, ranges.holes), digested)
  const verify = digested && { verify: digested.compare }
  const ofMedium = stated.map(({ algorithm }) => `${algorithm.toUpperCase()} of the medium`)
  const held = await openHeld(content, surroundings, remarks)
  begin()
  if (held) {
    return {
      ...held,
      format: 'ewf',
      variant: `${variant}, holding ${nameOf(held)}`,
      facts: { ...facts, ...held.facts },
      digests: [...held.digests, ...noted],
      checks: [...checks, ...ofMedium, ...held.checks],
      incomplete: opened.incomplete ?? held.incomplete,
      remarks: [...remarks, ...held.remarks],
      verify: async () => [...((await digested?.compare()) ?? []), ...((await held.verify?.()) ?? [])],
      async close() {
        await held.close()
        await close()
      },
    }
  }
  // Holes read as text, and bytes that fill up the last sector not at all: those digests are not of what is read.
  const whole = ranges.holes.length === 0 && size === source.size
  return {
    format: 'ewf',
    variant,
    category: categoryOf(medium),
    size,
    ...ranges,
    unit: unitOf(medium.chunkSize),
    facts: { ...facts, sectorSize: BigInt(medium.sectorSize) },
    digests: [...(whole ? stated.map(({ algorithm, value }) => linear(algorithm, value)) : []), ...noted],
    checks: whole ? checks : [...checks, ...ofMedium],
    incomplete: opened.incomplete,
    remarks,
    companions: [],
    read: whole ? source.read : content.read,
    ...(!whole && verify),
    close,
  }
}

/** The memory image that a medium holds; undefined where it is none, or cannot be read as one. */
async function openHeld(
  content: ByteSource,
  { openContent }: Surroundings,
  remarks: string[],
): Promise<Image | undefined> {
  if (content.size === 0n) return undefined
  try {
    await content.read(0n, 1)
  } catch (error) {
    remarks.push(`whether it holds a memory image cannot be told: ${(error as Error).message}`)
    return undefined
  }
  try {
    return await openContent(content)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    remarks.push(`what it holds cannot be read as a memory image: ${error.message}`)
    return undefined
  }
}

const nameOf = ({ format, variant }: Image): string =>
  format === 'elf' ? 'an ELF core' : `${format} ${variant}`.trimEnd()

/** A medium of which digests are taken from `begin` on: what is read to open it is in no order. */
function watched(medium: ByteSource, digested: DigestedMedium | undefined) {
  let begun = false
  const content: ByteSource = {
    ...medium,
    async read(offset, length, into) {
      const bytes = await medium.read(offset, length, into)
      if (begun) await digested?.note(offset, bytes)
      return bytes
    },
  }
  return {
    content,
    begin() {
      begun = true
    },
  }
}

/** Without the bytes that fill up the last sector. */
function trueSize({ source, medium, noted }: EwfMedium): bigint {
  const { length } = noted
  const fits =
    length !== undefined && length <= source.size && length + BigInt(medium.sectorSize) > source.size
  return fits ? length : source.size
}

function categoryOf({ type, flags }: Medium): Image['category'] {
  if (type === undefined || flags === undefined) return undefined
  if (type === MEDIA_TYPE.memory) return 'memory:physical'
  return (flags & MEDIA_FLAG.physical) === 0 ? 'disk:logical' : 'disk:physical'
}

/** The largest power of two that chunks are whole numbers of. */
const unitOf = (chunkSize: number): number => Math.min(chunkSize & -chunkSize, LARGEST_UNIT)

const linear = (algorithm: string, value: string): StatedDigest => ({ algorithm, value, covers: 'linear' })
