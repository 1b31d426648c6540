import { stat } from 'node:fs/promises'
import { openAsItWas } from './append-guard.js'
import { encryptedStreamOf, type Secrets, unlock } from './encryption/unlock.js'
import { openFolder } from './folder.js'
import { openVolume, openVolumeIn, type Volume } from './volume.js'

/**
 * Opens volumes that belong together.
 * @param warn told what is odd about one
 * @throws as `openVolumeFile` does
 */
export async function openVolumeFiles(
  paths: readonly string[],
  secrets: Secrets | undefined,
  warn: (message: string) => void,
): Promise<Volume[]> {
  const volumes: Volume[] = []
  for (const path of paths) {
    const volume = await openVolumeFile(path, secrets)
    for (const warning of volume.warnings) warn(`${path}: ${warning}`)
    volumes.push(volume)
  }
  return volumes
}

/**
 * Opens the volume at a path, a file or a folder, as it was where an append to it has not finished: what every tool
 * that reads volumes begins with. Of an encrypted one it is the volume inside.
 * @param secrets asked only when the volume is encrypted
 * @throws {FormatError} as `openVolume` does, {LockedError} without the right secret, or the operating system's error
 */
export async function openVolumeFile(path: string, secrets?: Secrets): Promise<Volume> {
  if ((await stat(path)).isDirectory()) return openVolumeIn(await openFolder(path))
  const { source, warnings } = await openAsItWas(path)
  const outer = await openVolume(source)
  const stream = encryptedStreamOf(outer)
  const volume = stream === undefined ? outer : await openVolume(await unlock(outer, stream, secrets))
  return { ...volume, warnings: [...warnings, ...volume.warnings] }
}
