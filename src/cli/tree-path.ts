import { insertBeforeExtension } from '../platform/name-extension.js'
import { LONGEST_NAME } from '../platform/portable-name.js'

/** A place below a folder. */
export interface TreePath {
  /** Names of folders and, at the end, of the thing itself: none of them leads anywhere. None: the folder itself. */
  readonly components: readonly Buffer[]
  /** What tells the thing from others that would have its name; a number by default. */
  readonly mark?: string
}

/** `a.txt` with something before its extension, `a.partial.txt`; no longer than a name may be. */
export const insertInName = (name: Buffer, insert: string): Buffer =>
  Buffer.from(insertBeforeExtension(name.toString('latin1'), insert, LONGEST_NAME), 'latin1')

/** Where something stays that is not whole; the folder itself has no other name. */
export function partialOf(path: TreePath): TreePath {
  const last = path.components.at(-1)
  if (!last) return path
  return { ...path, components: [...path.components.slice(0, -1), insertInName(last, '.partial')] }
}

/** The path for people. */
export const showPath = ({ components }: TreePath): string =>
  components.map((component) => component.toString('utf8')).join('/') || '.'
