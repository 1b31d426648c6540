import { NAMESPACES } from '../../formats/aff4/namespaces.js'
import type { ByteSource } from '../../formats/byte-source.js'
import { changeSince } from '../../formats/ntfs/changes.js'
import { openContent } from '../../formats/ntfs/content.js'
import { type OpenedVolume, openNtfs } from '../../formats/ntfs/open.js'
import type { Batch, Frame } from '../../frames/frame.js'
import { imageStream } from '../image-stream.js'
import { findStream } from '../ntfs/named-stream.js'

/** The term that the pmem suite has for it; a name with a slash has no short form. */
const NUMBER = `<${NAMESPACES.aff4}memory/pagefile_number>`

export interface PageFile {
  /** `C:\pagefile.sys`. */
  readonly path: string
  /** By which page table entries mean it; undefined where that is not known. */
  readonly number: number | undefined
  /** Opens a volume by the name of its device. */
  open(device: string): Promise<ByteSource>
  /** Id of its stream. */
  readonly stream: number
  /** Named in notes. */
  readonly program: string
  readonly batchesAlive?: number | undefined
}

/**
 * A page file from STREAM to CLOSE. Windows opens it for nobody else, so it is read from its volume.
 * @throws before the first frame, what keeps it from being read
 */
export async function* pageFileStream(file: PageFile): AsyncGenerator<Batch> {
  const { path, number, program } = file
  const findings: string[] = []
  const volume = await openVolume(file, (message) => findings.push(message))
  try {
    const found = await findStream(volume, path.slice('C:'.length), undefined)
    const content = await openContent(volume, found.file, found.attribute)
    yield* imageStream({
      ...file,
      name: path,
      size: content.size,
      read: (offset, length, slab) => content.read(offset, length, slab),
      category: 'memory:pagefile',
      facts: { [NUMBER]: number === undefined ? undefined : String(number) },
    })
    const change = await changeSince(volume, found.file, found.attribute)
    if (change !== undefined) findings.push(`changed while it was read: ${change}`)
    yield findings.map((message) => warning(program, `${path}: ${message}`))
  } finally {
    await volume.close()
  }
}

async function openVolume({ path, open }: PageFile, warn: (message: string) => void): Promise<OpenedVolume> {
  const device = await open(`\\\\.\\${path.slice(0, 'C:'.length)}`)
  try {
    return await openNtfs(device, {}, ({ message }) => warn(message))
  } catch (error) {
    await device.close()
    throw error
  }
}

function warning(program: string, message: string): Frame {
  return { type: 'note', stream: 0, time: 0n, body: { level: 'warning', program, message } }
}
