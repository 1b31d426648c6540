import type { ByteSource, Bytes } from '../../../src/formats/byte-source.js'
import type { Image, Surroundings } from '../../../src/formats/image/image.js'
import { openContent } from '../../../src/formats/image/image-file.js'
import { bufferSource } from '../buffer-source.js'

/** Surroundings of an image in memory: other files by their names, in one folder. */
export function surroundingsOf(
  path: string,
  files: Readonly<Record<string, Bytes>> = {},
  parts: string[] = [],
): Surroundings & { readonly warnings: string[] } {
  const warnings: string[] = []
  const surroundings = {
    path,
    parts,
    warnings,
    openFile: (name: string): ByteSource | undefined => files[name] && bufferSource(files[name], name),
    listFolder: () => Object.keys(files),
    openContent: (content: ByteSource): Promise<Image | undefined> => openContent(content, surroundings),
    warn: (message: string) => warnings.push(message),
  }
  return surroundings
}

/** All bytes of an image, a buffer for each run, read in pieces of odd sizes. */
export async function readRuns(image: Image, step = 0x3001): Promise<Buffer[]> {
  const read: Buffer[] = []
  for (const { start, length } of image.runs) {
    const bytes = Buffer.alloc(Number(length))
    for (let at = 0; at < bytes.length; at += step)
      bytes.set(await image.read(start + BigInt(at), Math.min(step, bytes.length - at)), at)
    read.push(bytes)
  }
  return read
}
