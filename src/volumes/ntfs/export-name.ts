import type { TreePath } from '../../cli/tree-path.js'
import { portableName, shortened } from '../../platform/portable-name.js'

/** Stands between a file and its stream: no name has it, since colons in names are spelled out. */
const BETWEEN = process.platform === 'win32' ? '%3A' : ':'

/**
 * A name of a volume as a file of any system can have it. What cannot stay is spelled out, `%3A` for a colon and `%D800`
 * for a lone surrogate; before what is reserved stands `%`. A `%` that could be taken for one of these is `%25`, so that
 * the name can be told from the result.
 */
export const exportName = (name: string): string =>
  portableName(name.replace(/%(?=[\dA-F]{2})|^%/gi, '%25').replaceAll('/', '%2F')) || '%'

/** A thing that belongs to a file. */
export interface Companion {
  /** Name of a stream, and what it is if it is no $DATA. */
  readonly stream?: readonly string[]
  /** Behind all else. */
  readonly extension?: string
}

/**
 * Where something goes.
 * @param path its names from the root of the volume on; none: the root
 * @param record tells it from others that would have its name
 */
export function exportPlace(path: readonly string[], record: number, companion: Companion = {}): TreePath {
  const { stream = [], extension = '' } = companion
  const last = path.at(-1)
  const end =
    [last === undefined ? '' : exportName(last), ...stream.map(exportName)].join(BETWEEN) + extension
  const components = path.slice(0, -1).map(exportName)
  return {
    components: [...components, ...(end === '' ? [] : [end])].map((name) =>
      shortened(Buffer.from(name, 'utf8')),
    ),
    mark: String(record),
  }
}
