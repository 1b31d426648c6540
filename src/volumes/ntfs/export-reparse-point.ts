import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import { findAttribute, type NtfsFile } from '../../formats/ntfs/file.js'
import {
  decodeReparsePoint,
  LARGEST_REPARSE_POINT,
  type ReparsePoint,
} from '../../formats/ntfs/reparse-point.js'
import { type Export, guarded, lose } from './export.js'
import { writeText } from './export-content.js'
import type { ExportedFile } from './exported-file.js'

/** What leads elsewhere from a file; undefined, and told, where it cannot be read. */
export async function readReparsePoint(
  to: Export,
  file: NtfsFile,
  shown: string,
): Promise<ReparsePoint | undefined> {
  const attribute = findAttribute(file, ATTRIBUTE.REPARSE_POINT)
  if (!attribute) return undefined
  try {
    return decodeReparsePoint(await to.volume.read(attribute, LARGEST_REPARSE_POINT))
  } catch (error) {
    lose(to, shown, error)
    return undefined
  }
}

/** A live link would lead out of the folder: what it says is written instead. */
export async function writeReparsePoint(to: Export, one: ExportedFile, point: ReparsePoint): Promise<void> {
  const { tag, name, target, shown, relative, guid, data } = point
  const lines = [
    `tag: ${name} (0x${tag.toString(16)})`,
    ...(target === undefined ? [] : [`target: ${JSON.stringify(target)}`]),
    ...(shown === undefined ? [] : [`shown: ${JSON.stringify(shown)}`]),
    ...(relative === undefined ? [] : [`relative: ${relative}`]),
    ...(guid === undefined ? [] : [`guid: ${guid}`]),
    `data: ${data.toString('hex')}`,
  ]
  await guarded(to, one.shown, async () => {
    const place = writeText(to, one, { extension: '.reparse' }, Buffer.from(`${lines.join('\n')}\n`))
    await to.written({
      ...one.entry(place),
      kind: 'reparse',
      tag: name,
      ...(target !== undefined && { target }),
    })
  })
}
