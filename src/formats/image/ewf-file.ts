import type { ByteSource } from '../byte-source.js'
import { openEwfSource } from '../ewf/ewf-image.js'
import { createOpenFiles, surroundingFiles } from './surrounding-files.js'

/**
 * The medium in an EWF image, with the segments beside it. Closing it closes them all.
 * @throws as `openEwfSource`; then nothing is left open
 */
export async function openEwfFile(
  file: ByteSource,
  path: string,
  warn: (message: string) => void = () => {},
): Promise<ByteSource> {
  const { own, close } = createOpenFiles()
  own(file)
  try {
    const medium = await openEwfSource(file, surroundingFiles(path, [], own, warn))
    return {
      ...medium,
      async close() {
        await medium.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
