import { EXIT, ToolError } from '../../cli/exit.js'
import { ATTRIBUTE, attributeTypeName } from '../../formats/ntfs/attribute-type.js'
import { isDirectory, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import { type FileName, links } from '../../formats/ntfs/file-name.js'
import { findTarget, type GiveDeleted, selectAttribute } from '../../formats/ntfs/find-target.js'
import { NtfsError } from '../../formats/ntfs/finding.js'
import { createPathFinder, formatPath, namesOf } from '../../formats/ntfs/parent-path.js'
import { ORPHANS, parseTarget } from '../../formats/ntfs/path.js'
import { compareIgnoringCase } from '../../formats/ntfs/up-case.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'
import { volumeUpCase } from '../../formats/ntfs/volume-up-case.js'

/** A stream that an operand names. */
export interface NamedStream {
  readonly file: NtfsFile
  readonly attribute: FileAttribute
  /** From the root: `dir/file`, `dir/file:stream`, `dir/file:name:$TYPE`; `$Orphan/…` without one. */
  readonly path: string
  /** The name that the path ends with, as the file holds it. */
  readonly fileName: FileName | undefined
}

/**
 * Finds what an operand names; a file alone means its unnamed $DATA.
 * @throws {ToolError} when it is not there, or a directory
 */
export async function findStream(
  volume: NtfsVolume,
  operand: string,
  deleted: GiveDeleted,
): Promise<NamedStream> {
  const { file, attribute } = await find(volume, operand, deleted)
  return { file, attribute, ...(await nameOf(volume, file, attribute, operand)) }
}

async function find(volume: NtfsVolume, operand: string, deleted: GiveDeleted) {
  try {
    const { file, attribute } = await findTarget(volume, parseTarget(operand), deleted)
    if (attribute) return { file, attribute }
    if (isDirectory(file))
      throw new ToolError(EXIT.noInput, 'is a directory', {
        hint: 'ntfs-export writes it with all that it holds to a folder; ntfs-ls lists it',
      })
    return { file, attribute: await selectAttribute(volume, file, { type: ATTRIBUTE.DATA, name: '' }) }
  } catch (error) {
    if (!(error instanceof NtfsError)) throw error
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    throw new ToolError(EXIT.noInput, error.message, { ...hint, cause: error })
  }
}

/** Of a file with several links the path that was typed, else the first. */
async function nameOf(
  volume: NtfsVolume,
  file: NtfsFile,
  attribute: FileAttribute,
  operand: string,
): Promise<Pick<NamedStream, 'path' | 'fileName'>> {
  const suffix = suffixOf(attribute)
  const findPath = createPathFinder(volume)
  const typed = plain(operand)
  let first: Pick<NamedStream, 'path' | 'fileName'> | undefined
  for (const fileName of links(namesOf(file))) {
    const path = formatPath(await findPath(fileName)) + suffix
    if (compareIgnoringCase(await volumeUpCase(volume), plain(path), typed) === 0) return { path, fileName }
    first ??= { path, fileName }
  }
  return first ?? { path: `${ORPHANS}/${file.reference.record}${suffix}`, fileName: undefined }
}

/** A backslash may part names, or belong to one. */
const plain = (path: string) =>
  path
    .split(/[/\\]/)
    .filter((part) => part !== '' && part !== '.')
    .join('/')

function suffixOf({ type, name }: FileAttribute): string {
  if (type !== ATTRIBUTE.DATA) return `:${name}:${attributeTypeName(type)}`
  return name === '' ? '' : `:${name}`
}
