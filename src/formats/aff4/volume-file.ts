import { openFileSource } from '../file-source.js'
import { openVolume, type Volume } from './volume.js'

/**
 * Opens the volume at a path: what every tool that reads volumes begins with.
 * @throws {FormatError} as `openVolume` does, or the operating system's error
 */
export const openVolumeFile = async (path: string): Promise<Volume> => openVolume(openFileSource(path))
