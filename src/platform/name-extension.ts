/** What stands behind the last dot of a longer one is no extension, but part of the name. */
const LONGEST_EXTENSION = 20

/**
 * `a.txt` with something before its extension: `a.partial.txt`.
 * @param longest what stands before it is cut where the name would be longer
 */
export function insertBeforeExtension(
  name: string,
  insert: string,
  longest = Number.POSITIVE_INFINITY,
): string {
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && name.length - dot <= LONGEST_EXTENSION ? name.slice(dot) : ''
  const stem = name.slice(0, name.length - extension.length)
  return stem.slice(0, longest - insert.length - extension.length) + insert + extension
}
