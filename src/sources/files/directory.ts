import { readdirSync } from 'node:fs'
import { sep } from 'node:path'
import { withinReach } from '../../platform/linux/long-path.js'

/**
 * Names in a directory as bytes, in byte order.
 * @throws the operating system's error, at once
 */
export function listDirectory(path: Buffer): Generator<Buffer> {
  // One character for each byte: exact, sorted as bytes, and a fraction of what as many buffers take.
  const list = (at: Buffer) => readdirSync(at.length > 0 ? at : '.', 'latin1')
  return asBytes(withinReach(path, list).sort())
}

function* asBytes(names: readonly string[]): Generator<Buffer> {
  for (const name of names) yield Buffer.from(name, 'latin1')
}

/** `directory/name`; an empty directory is the working directory and adds nothing. */
export function joinPath(directory: Buffer, name: Buffer): Buffer {
  if (directory.length === 0) return name
  const last = String.fromCharCode(directory[directory.length - 1]!)
  return Buffer.concat([directory, Buffer.from(last === '/' || last === sep ? '' : sep), name])
}
