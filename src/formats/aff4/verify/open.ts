import { stat } from 'node:fs/promises'
import type { ByteSource } from '../../byte-source.js'
import { LockedError } from '../../locked-error.js'
import { openAsItWas } from '../append-guard.js'
import { encryptedStreamOf, type Secrets, unlock } from '../encryption/unlock.js'
import { openVolume, type Volume } from '../volume.js'
import { openVolumeFile } from '../volume-file.js'
import { openZip } from '../zip/reader.js'
import { damageOf, readThrough } from './context.js'
import type { Report, Tick } from './finding.js'
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
  tick: Tick,
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
      await openSource(opened, source, secrets, report, tick)
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
  tick: Tick,
): Promise<void> {
  const open = async (from: ByteSource) => {
    const structure = await checkStructure(from, report)
    if (!structure) return undefined
    let volume: Volume
    try {
      volume = await openVolume(from)
    } catch (error) {
      await compareMembers(from, structure, report, tick)
      throw error
    }
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

/** Of a volume that can't be opened: which of its members are damaged. */
async function compareMembers(
  source: ByteSource,
  structure: Structure,
  report: Report,
  tick: Tick,
): Promise<void> {
  try {
    const container = await openZip(source)
    const reading = { structures: new Map([[container, structure]]), report, tick, compared: new Map() }
    for (const member of container.members.values()) await readThrough(reading, container, member)
  } catch (error) {
    // It is why the volume can't be opened.
    damageOf(error)
  }
}

async function orReport(subject: string, report: Report, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const locked = error instanceof LockedError
    const { detail, offset } = locked ? { detail: error.message, offset: undefined } : damageOf(error)
    // Messages of readers begin with the name of the volume.
    const why = detail.startsWith(`${subject}: `) ? detail.slice(subject.length + 2) : detail
    await report({
      outcome: locked ? 'unchecked' : 'mismatched',
      property: locked ? 'encryption' : 'volume',
      subject,
      detail: why,
      ...(offset !== undefined && { offset }),
    })
  }
}
