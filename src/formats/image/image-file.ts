import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { hintFor, recognisePackage, TELLING_SIZE } from '../recognise.js'
import { FORMATS } from './formats.js'
import type { Image, ImageFormat, SurroundingFiles, Surroundings } from './image.js'
import { readMapBeside, withDamage, withMap } from './image-map.js'
import { openImageBytes } from './open-image.js'
import { createOpenFiles, surroundingFiles } from './surrounding-files.js'

/** Most formats of memory are told by this much. */
const LEAST_TELLING = 4096

export interface OpenImageFile {
  /** The name of a format, where the content is not to decide. */
  readonly format?: string | undefined
  /** Further files that may belong to it; those that do are removed. */
  readonly parts?: string[]
  readonly warn?: (message: string) => void
}

/**
 * Opens an image of memory or of a disk: a file in any format that is read here, found by its content, or a device.
 * What its map file tells (`PATH.map`, as our sinks or ddrescue write it) is applied.
 * @throws the operating system's error; {FormatError} when it cannot be read, with what it is where that is known
 */
export async function openImageFile(path: string, given: OpenImageFile = {}): Promise<Image> {
  const { parts = [], warn = () => {} } = given
  const { own, close } = createOpenFiles()
  try {
    const file = own(await openImageBytes(path, { warn }))
    const surroundings = withContents(surroundingFiles(path, parts, own, warn))
    const beside = await readMapBeside(surroundings)
    const source = beside ? withDamage(file, beside) : file
    const format = given.format === undefined ? await detect(file, surroundings) : formatCalled(given.format)
    const image = await format.open(source, surroundings)
    const mapped = beside ? withMap(image, beside) : image
    return {
      ...mapped,
      async close() {
        await image.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

export function formatCalled(name: string): ImageFormat {
  const found = FORMATS.find((format) => format.name === name)
  if (!found) throw new FormatError(`${name}: not one of ${FORMATS.map((format) => format.name).join(', ')}`)
  return found
}

/**
 * The format of what a source holds.
 * @throws {FormatError} where it is known to be something that is not read, with the hint what helps
 */
export async function detect(source: ByteSource, surroundings?: Surroundings): Promise<ImageFormat> {
  const head = Buffer.from(await source.read(0n, TELLING_SIZE))
  for (const format of FORMATS) {
    if (format.name === 'raw') {
      const other = recognisePackage(head)
      const hint = other?.hint === undefined ? undefined : hintFor(other.hint, source.name)
      if (other) throw new FormatError(`${source.name}: is ${other.what}`, undefined, hint)
    }
    if (await format.recognises(head, source, surroundings)) return format
  }
  throw new FormatError(`${source.name}: in no format that is read`)
}

/** Containers hold memory images; anything else that they hold is a disk's bytes. */
export async function openContent(
  content: ByteSource,
  surroundings: Surroundings,
): Promise<Image | undefined> {
  const head = await readHead(content)
  for (const format of FORMATS)
    if (format.holdsMemory && (await format.recognises(head, content)))
      return format.open(content, surroundings)
  return undefined
}

/** The beginning of content, as far as it is not damaged. */
async function readHead(content: ByteSource): Promise<Buffer> {
  for (const size of [TELLING_SIZE, LEAST_TELLING])
    try {
      return Buffer.from(await content.read(0n, size))
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
    }
  return Buffer.alloc(0)
}

function withContents(files: SurroundingFiles): Surroundings {
  const surroundings: Surroundings = {
    ...files,
    openContent: (content) => openContent(content, surroundings),
  }
  return surroundings
}
