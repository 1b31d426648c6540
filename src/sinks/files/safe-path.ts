import { createHash } from 'node:crypto'
import type { StreamBody } from '../../frames/frame.js'

/** What file systems take as one name, in bytes. */
const LONGEST = 255
/** What is left of a longer one, before digits that tell it from others. */
const KEPT = 200

/** The place of a stream below a folder. */
export interface SafePath {
  /** Names of folders and, at the end, of the thing itself: none of them leads anywhere. None: the folder itself. */
  readonly components: readonly Buffer[]
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

const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i

function safeName(part: string): string {
  let name = part === '..' ? '%2E%2E' : part.replaceAll('\0', '%00')
  if (process.platform === 'win32') {
    name = name.replace(/[<>:"|?*\\]|\p{Cc}|[ .]$/gu, escaped)
    if (RESERVED.test(name)) name = `%${name}`
  }
  if (name.length <= LONGEST) return name
  const digest = createHash('sha256').update(name, 'latin1').digest('hex').slice(0, 16)
  return `${name.slice(0, KEPT)}~${digest}`
}

const escaped = (character: string) =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** `a.txt` with something before its extension, `a.partial.txt`; no longer than a name may be. */
export function insertBeforeExtension(name: Buffer, insert: string): Buffer {
  const text = name.toString('latin1')
  const dot = text.lastIndexOf('.')
  const extension = dot > 0 && text.length - dot <= 20 ? text.slice(dot) : ''
  const stem = text.slice(0, text.length - extension.length)
  const room = LONGEST - insert.length - extension.length
  return Buffer.from(stem.slice(0, room) + insert + extension, 'latin1')
}

/** The path for people. */
export const showPath = ({ components }: SafePath): string =>
  components.map((component) => component.toString('utf8')).join('/') || '.'
