import fs from 'node:fs'
import { EXIT, ToolError } from '../cli/exit.js'
import type { Secrets } from '../formats/aff4/encryption/unlock.js'
import { aff4 } from '../formats/aff4/lexicon.js'
import { listStreams, type StreamEntry } from '../formats/aff4/reader.js'
import { openVolumeFile } from '../formats/aff4/volume-file.js'
import { FormatError } from '../formats/format-error.js'
import { LockedError } from '../formats/locked-error.js'

const MOST_NAMED = 5

/**
 * The URN of the stream that is meant by a name: its own, or one relative to its volume, with a slash before it or
 * without: `/c:/pagefile.sys`, `boot/vmlinuz`. Any other name is given back as it is.
 * @throws {ToolError} when several streams are called that
 */
export async function streamCalled(
  name: string,
  paths: readonly string[],
  secrets: Secrets,
): Promise<string> {
  const volumes = await Promise.all(paths.map((path) => openVolumeFile(path, secrets)))
  const entries = await listStreams(volumes)
  const called = (form: (known: string) => string) => [
    ...new Set(
      entries
        .filter((entry) => namesOf(entry).some((known) => form(known) === form(name)))
        .map(({ urn }) => urn),
    ),
  ]
  const exactly = called((known) => known)
  const found = exactly.length > 0 ? exactly : called((known) => known.replace(/^\/+/, ''))
  if (found.length > 1)
    throw new ToolError(EXIT.data, `${paths.join(', ')}: ${found.length} streams are called ${name}`, {
      hint: `-e takes a URN as well: ${found.slice(0, MOST_NAMED).join(', ')}${found.length > MOST_NAMED ? ' …' : ''}`,
    })
  return found[0] ?? name
}

function namesOf({ urn, volume }: StreamEntry): string[] {
  const original = volume.graph.value(urn, aff4('originalFileName'))
  return [
    urn,
    ...(original === undefined ? [] : [original]),
    ...(urn.startsWith(`${volume.urn}/`) ? [urn.slice(volume.urn.length)] : []),
  ]
}

/**
 * Whether a file is a volume with the memory of a machine. An encrypted one does not say, and takes no further one
 * either; why nothing can be appended to a file is for the sink to tell.
 */
export async function holdsMemory(path: string): Promise<boolean> {
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile()) return false
  try {
    const { graph } = await openVolumeFile(path)
    for (const subject of graph.subjects())
      for (const { value } of graph.all(subject, aff4('category')))
        if (/[#/]memory\/physical$/.test(value)) return true
    return false
  } catch (error) {
    if (error instanceof LockedError || error instanceof FormatError) return false
    throw error
  }
}
