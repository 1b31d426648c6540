import { showSize } from '../../cli/sizes.js'
import { VERSION } from '../../cli/version.js'
import { sumOfRuns } from '../../formats/address-space.js'
import type { Content } from '../../formats/ntfs/content.js'
import { type Copied, copyContent, mapOfCopy } from './copy-content.js'
import type { Export } from './export.js'
import { type Companion, exportPlace } from './export-name.js'
import type { ExportedFile } from './exported-file.js'

interface Place {
  readonly place: Buffer | string
  readonly facts: Record<string, unknown>
}

/**
 * Writes a stream, and a map of what of it cannot be read beside it.
 * @returns undefined when there is no place for it, which was told
 */
export async function writeContent(
  to: Export,
  one: ExportedFile,
  companion: Companion,
  shown: string,
  content: Content,
  identity: string | undefined,
): Promise<Place | undefined> {
  const file = to.tree.file(exportPlace(one.path, one.record, companion))
  let end = 0n
  let closed = false
  try {
    if (!file.holds(content.size)) {
      to.log.error(`${shown}: the file system has no files of ${showSize(content.size)}`)
      to.lost()
      return undefined
    }
    const copied = await copyContent(content, file, to.volume.source.size, async (bytes) => {
      end += bytes
      await to.passed(shown, bytes)
    })
    const { lost, reason } = copied
    const amount = sumOfRuns(lost)
    const complete = copied.end === content.size
    const map = amount === 0n ? undefined : writeMap(to, one, companion, shown, copied, content.size)
    closed = true
    if (complete) file.commit(content.size, { ...one.facts, ...(identity && { identity }) }, identity && '')
    else file.leave(copied.end)
    const place = complete ? file.final : file.path
    if (!map) return { place, facts: {} }
    to.lost()
    const instead = complete
      ? 'text stands in their place'
      : `too much to write text in their place: ${place} ends there`
    to.log.error(`${shown}: ${showSize(amount)} cannot be read: ${reason}: ${instead}`, `${map} lists them`)
    return { place, facts: { unreadable: amount, map: String(map), ...(!complete && { partial: true }) } }
  } finally {
    if (!closed) leave(() => file.leave(end))
  }
}

/** Before the copy takes its final name. @returns where the map is */
function writeMap(
  to: Export,
  one: ExportedFile,
  companion: Companion,
  shown: string,
  copied: Copied,
  size: bigint,
): Buffer {
  const comments = [`Mapfile. Created by pmem ntfs-export ${VERSION}`, `Stream: ${shown}`]
  return writeText(to, one, { ...companion, extension: '.map' }, mapOfCopy(copied, size, comments))
}

/** After a failure that is told itself. */
function leave(act: () => void): void {
  try {
    act()
  } catch {
    // A disk that is full does not take the size either; the name still tells.
  }
}

/** Writes a small file whole. @returns where it is */
export function writeText(to: Export, one: ExportedFile, companion: Companion, bytes: Uint8Array): Buffer {
  const file = to.tree.file(exportPlace(one.path, one.record, companion))
  let closed = false
  try {
    file.writeAt(0n, bytes)
    closed = true
    file.commit(BigInt(bytes.length), one.facts, undefined)
    return file.final
  } finally {
    if (!closed) leave(() => file.leave(0n))
  }
}
