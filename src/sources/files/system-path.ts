import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../../formats/byte-source.js'
import { type PathName, streamName } from './name.js'

const WINDOWS = process.platform === 'win32'

/** The name of the stream of a path of this system. */
export const pathStreamName = (path: Bytes): PathName =>
  WINDOWS ? { name: windowsStreamName(asBuffer(path).toString('utf8')) } : streamName(path)

/**
 * The name of the stream of a path of Windows, whose separators are two. What begins at a drive or a share keeps
 * backslashes, as Windows shows it; else it is named as everywhere, for who unpacks it. A device stays as it is.
 */
export function windowsStreamName(path: string): string {
  if (/^[\\/]{2}[.?][\\/]/.test(path)) return path
  const [, root = '', rest = ''] = /^([A-Za-z]:(?=[\\/])|[\\/]{2}(?![\\/]))?(.*)$/s.exec(path)!
  const { name } = streamName(Buffer.from(rest.replaceAll('\\', '/')))
  if (root === '') return name
  const tail = name.replace(/^[./]/, '').replaceAll('/', '\\')
  return root.endsWith(':') ? `${root}\\${tail}` : `\\\\${tail}`
}

/** Where a pattern begins, and the names behind that. */
export function splitRoot(operand: string): { root: string; names: string[] } {
  if (!WINDOWS) return { root: operand.startsWith('/') ? '/' : '', names: operand.split('/') }
  const [root] = /^(?:[A-Za-z]:[\\/]|[\\/]{2}[^\\/]+[\\/]+[^\\/]+[\\/]|[\\/]|)/.exec(operand)!
  return { root, names: operand.slice(root.length).split(/[\\/]/) }
}
