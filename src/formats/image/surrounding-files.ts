import fs from 'node:fs'
import path from 'node:path'
import type { ByteSource } from '../byte-source.js'
import { openFileIfThere } from '../file-source.js'
import type { SurroundingFiles } from './image.js'

/** Files that are opened for one image, to be closed together. */
export function createOpenFiles() {
  const opened: ByteSource[] = []
  return {
    /** Takes a file over. */
    own(source: ByteSource): ByteSource {
      opened.push(source)
      return source
    },
    async close(): Promise<void> {
      for (const source of opened.splice(0)) await source.close()
    },
  }
}

/**
 * The files around one.
 * @param parts further ones that the user named with it
 * @param own takes over each one that is opened, to close it
 */
export function surroundingFiles(
  name: string,
  parts: string[],
  own: (source: ByteSource) => ByteSource,
  warn: (message: string) => void,
): SurroundingFiles {
  return {
    path: name,
    parts,
    openFile(other) {
      const source = openFileIfThere(other)
      return source && own(source)
    },
    listFolder() {
      try {
        return fs.readdirSync(path.dirname(name)).filter((other) => other !== path.basename(name))
      } catch {
        return []
      }
    },
    warn,
  }
}
