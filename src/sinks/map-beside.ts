import fs from 'node:fs'
import { EXIT, ToolError } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import type { Output } from '../cli/output.js'
import { VERSION } from '../cli/version.js'
import { encodeMapfile, type MapBlock } from '../formats/mapfile.js'
import { removeFile } from '../formats/remove-file.js'

export interface MapOfImage {
  /** Blocks from 0 to the end of the image. */
  readonly blocks: readonly MapBlock[]
  /** The input was complete: the image takes its final name, and the map goes with it. */
  readonly complete: boolean
  /** Further lines for people. */
  readonly comments: readonly string[]
}

/** The map file that stands beside an image and tells which of its bytes are evidence: `OUT.map`. */
export interface MapBeside {
  /**
   * Writes the map and makes it durable, before the image takes its final name. Without one, an older map
   * goes away.
   * @returns its name
   */
  write(map: MapOfImage | undefined): string | undefined
}

/**
 * Claims the map file of an output, undefined where the output is no regular file.
 * @throws {ToolError} when there is a map already and it may not be replaced
 */
export function mapBeside(
  output: Pick<Output, 'name' | 'path' | 'seekable'>,
  tool: string,
  replace: boolean,
): MapBeside | undefined {
  if (!output.seekable) return undefined
  const names = [output.name, output.path].map((name) => `${name}.map`)
  for (const name of names)
    if (!replace && fs.existsSync(name))
      throw new ToolError(EXIT.cannotCreate, `${name}: file exists`, { hint: '-t replaces it' })
  return {
    write(map) {
      for (const name of names) if (replace) removeFile(name)
      if (!map) return undefined
      const name = `${map.complete ? output.name : output.path}.map`
      const position = map.blocks.find(({ status }) => status === '?')?.start ?? 0n
      const status = map.complete ? '+' : '?'
      const comments = [`Mapfile. Created by pmem ${tool} ${VERSION}`, ...map.comments]
      try {
        writeDurably(name, encodeMapfile({ position, status, pass: 1, blocks: map.blocks }, comments))
      } catch (error) {
        throw new ToolError(EXIT.io, asToolError(error).message, { cause: error })
      }
      return name
    },
  }
}

function writeDurably(name: string, bytes: Uint8Array): void {
  const fd = fs.openSync(name, 'wx', 0o600)
  try {
    fs.writeFileSync(fd, bytes)
    fs.fsyncSync(fd)
  } catch (error) {
    removeFile(name)
    throw error
  } finally {
    fs.closeSync(fd)
  }
}
