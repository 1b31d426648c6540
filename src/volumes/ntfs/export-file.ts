import { ATTRIBUTE_FLAG } from '../../formats/ntfs/attribute.js'
import { ATTRIBUTE, attributeTypeName } from '../../formats/ntfs/attribute-type.js'
import { clusterUse } from '../../formats/ntfs/cluster-use.js'
import { openContent } from '../../formats/ntfs/content.js'
import { isDirectory, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import { isInUse } from '../../formats/ntfs/record.js'
import { REPARSE_TAG } from '../../formats/ntfs/reparse-point.js'
import { WOF_STREAM } from '../../formats/ntfs/wof/reparse-data.js'
import { type Export, guarded } from './export.js'
import { writeContent, writeText } from './export-content.js'
import { exportPlace } from './export-name.js'
import { readReparsePoint, writeReparsePoint } from './export-reparse-point.js'
import { describe, type ExportedFile } from './exported-file.js'

/**
 * Writes a file or a directory, its streams and what its reparse point says, not what is below it.
 * @param path its names from the root of the volume on
 * @throws what no other file could do better about: the disk is full, or something is there already
 */
export async function exportFile(to: Export, file: NtfsFile, path: readonly string[]): Promise<void> {
  const one = describe(to, file, path)
  await to.passed(one.shown, 0n)
  if (file.findings.length > 0) to.lost()
  if (isDirectory(file))
    await guarded(to, one.shown, async () => {
      const place = to.tree.folder(exportPlace(one.path, one.record), one.facts)
      await to.written({ ...one.entry(place), kind: 'folder' })
    })
  const point = await readReparsePoint(to, file, one.shown)
  const isCompact = point?.tag === REPARSE_TAG.WOF
  const streams = file.attributes.filter(({ type }) => type === ATTRIBUTE.DATA)
  const main = streams.find(({ name }) => name === '')
  for (const attribute of streams) {
    // What WOF compressed is written as programs see it.
    if (isCompact && main && attribute.name === WOF_STREAM) continue
    // The text about a link stands for it.
    if (attribute === main && point?.target !== undefined && main.sizes.data === 0n) continue
    await writeAttribute(to, one, file, attribute)
  }
  if (!main && !isDirectory(file) && point?.target === undefined) await writeEmpty(to, one)
  if (point && !isCompact) await writeReparsePoint(to, one, point)
}

/** Writes one attribute of a file, whatever its type. */
export async function exportAttribute(
  to: Export,
  file: NtfsFile,
  path: readonly string[],
  attribute: FileAttribute,
): Promise<void> {
  const one = describe(to, file, path)
  if (file.findings.length > 0) to.lost()
  await writeAttribute(to, one, file, attribute)
}

async function writeAttribute(
  to: Export,
  one: ExportedFile,
  file: NtfsFile,
  attribute: FileAttribute,
): Promise<void> {
  const { type, name, flags } = attribute
  const isData = type === ATTRIBUTE.DATA
  const isMain = isData && name === ''
  const stream = isMain ? [] : isData ? [name] : [name, attributeTypeName(type)]
  const shown = [one.shown, ...stream].join(':')
  const kind = isMain ? 'file' : 'stream'
  const facts = { ...(!isMain && { stream: stream.join(':') }), size: attribute.sizes.data }
  const identity = one.linked ? `${one.record} ${attribute.record} ${type} ${attribute.id}` : undefined
  await guarded(to, shown, async () => {
    const further = identity && to.tree.again(exportPlace(one.path, one.record, { stream }), identity)
    if (further) {
      await to.written({ ...one.entry(further), kind, ...facts, linked: true })
      return
    }
    if ((flags & ATTRIBUTE_FLAG.ENCRYPTED) !== 0)
      to.log.warn(`${shown}: encrypted: its bytes are written as they are`)
    const reused = isInUse(file.base) ? undefined : await countReused(to, attribute, shown)
    const content = await openContent(to.volume, file, attribute)
    const written = await writeContent(to, one, { stream }, shown, content, identity)
    if (written)
      await to.written({ ...one.entry(written.place), kind, ...facts, ...written.facts, ...reused })
  })
}

/** Of a deleted file, how much has been given to others. */
async function countReused(to: Export, { runs }: FileAttribute, shown: string) {
  if (runs.length === 0) return undefined
  const { clusters, inUse } = await clusterUse(to.volume, runs)
  if (inUse > 0) to.log.warn(`${shown}: ${inUse} of its ${clusters} clusters belong to other files by now`)
  return { clusters, clustersReused: inUse }
}

/** A file that has no unnamed stream is empty. */
async function writeEmpty(to: Export, one: ExportedFile): Promise<void> {
  await guarded(to, one.shown, async () => {
    const place = writeText(to, one, {}, Buffer.alloc(0))
    await to.written({ ...one.entry(place), kind: 'file', size: 0n })
  })
}
