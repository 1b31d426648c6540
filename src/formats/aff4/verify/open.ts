import { stat } from 'node:fs/promises'
import type { ByteSource } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { LockedError } from '../../locked-error.js'
import { openAsItWas } from '../append-guard.js'
import { encryptedStreamOf, type Secrets, unlock } from '../encryption/unlock.js'
import { openVolume, type Volume } from '../volume.js'
import { openVolumeFile } from '../volume-file.js'
import { damageOf } from './context.js'
import type { Report } from './finding.js'
import { checkStructure, type Structure } from './zip-structure.js'

/** Volumes that could be opened, the wrappings of encrypted ones among them, and what is known of their files. */
export interface Opened {
  readonly volumes: Volume[]
  readonly structures: Map<Volume, Structure>
}

/**
 * Opens volumes to check them. The structure of their files is checked first; what can't be opened is reported as
 * damage.
 * @throws the operating system's error
 */
export async function openForCheck(
  paths: readonly string[],
  secrets: Secrets | undefined,
  report: Report,
): Promise<Opened> {
  const opened: Opened = { volumes: [], structures: new Map() }
  for (const path of paths) {
    if ((await stat(path)).isDirectory()) {
      await orReport(path, report, async () => void opened.volumes.push(await openVolumeFile(path)))
      await report({ outcome: 'note', property: 'CRC', subject: path, detail: 'a folder has none' })
      continue
    }
    await orReport(path, report, async () => {
      const { source, warnings } = await openAsItWas(path)
      for (const detail of warnings)
        await report({ outcome: 'unchecked', property: 'append', subject: path, detail })
      await openSource(opened, source, secrets, report)
    })
  }
  return opened
}

/** Opens a volume in a ZIP file, and the one inside where it is the wrapping of an encrypted one. */
export async function openSource(
  { volumes, structures }: Opened,
  source: ByteSource,
  secrets: Secrets | undefined,
  report: Report,
): Promise<void> {
  const open = async (from: ByteSource) => {
    const structure = await checkStructure(from, report)
    if (!structure) return undefined
    const volume = await openVolume(from)
    volumes.push(volume)
    structures.set(volume, structure)
    return volume
  }
  await orReport(source.name, report, async () => {
    const volume = await open(source)
    const stream = volume && encryptedStreamOf(volume)
    if (stream !== undefined) await open(await unlock(volume!, stream, secrets))
  })
}

async function orReport(subject: string, report: Report, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof LockedError)
      await report({ outcome: 'unchecked', property: 'encryption', subject, detail: error.message })
    else if (error instanceof FormatError)
      await report({ outcome: 'mismatched', property: 'volume', subject, ...damageOf(error) })
    else throw error
  }
}
