import type { TreePath } from '../../cli/tree-path.js'
import type { StreamBody } from '../../frames/frame.js'
import { nameDigest, portableName, shortened } from '../../platform/portable-name.js'

/** A path of as many bytes is one name, of its end. */
const LONGEST_PATH = 8 << 10
const KEPT_OF_PATH = 200

/** The place of a stream. */
export interface SafePath extends TreePath {
  /** It is not the name that the stream has. */
  readonly changed: boolean
}

/**
 * Where a stream goes, whatever its name: absolute paths begin at the folder, `..` and what no file can be called
 * is spelled out.
 */
export function safePath({ name, nameBytes, kind }: StreamBody): SafePath {
  const bytes = nameBytes === undefined ? Buffer.from(name, 'utf8') : Buffer.from(nameBytes, 'base64')
  // A character for each byte.
  const path = bytes.toString('latin1')
  if (path.length > LONGEST_PATH) {
    const end = path.slice(-KEPT_OF_PATH).split(/[/\\]/).at(-1)!
    return { components: [Buffer.from(safeName(`${end}~${nameDigest(bytes)}`), 'latin1')], changed: true }
  }
  const windows = /^([A-Za-z]:\\|\\\\)/.test(path)
  const parts = (windows ? path.replaceAll('\\', '/') : path)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
  const safe = parts.length === 0 && kind !== 'folder' ? ['unnamed'] : parts.map(safeName)
  return {
    components: safe.map((part) => Buffer.from(part, 'latin1')),
    changed: safe.some((part, index) => part !== parts[index]),
  }
}

function safeName(part: string): string {
  const spelled = part === '..' ? '%2E%2E' : part.replaceAll('\0', '%00')
  const bytes = Buffer.from(spelled, 'latin1')
  const name = process.platform === 'win32' ? Buffer.from(portableName(bytes.toString('utf8'))) : bytes
  return shortened(name).toString('latin1')
}
