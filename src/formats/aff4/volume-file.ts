import { openAsItWas } from './append-guard.js'
import { openVolume, type Volume } from './volume.js'

/**
 * Opens the volume at a path, as it was where an append to it has not finished: what every tool that reads
 * volumes begins with.
 * @throws {FormatError} as `openVolume` does, or the operating system's error
 */
export async function openVolumeFile(path: string): Promise<Volume> {
  const { source, warnings } = await openAsItWas(path)
  const volume = await openVolume(source)
  return { ...volume, warnings: [...warnings, ...volume.warnings] }
}
