import type { Secrets } from '../formats/aff4/encryption/unlock.js'
import { aff4 } from '../formats/aff4/lexicon.js'
import { listStreams } from '../formats/aff4/reader.js'
import { openVolumeFile } from '../formats/aff4/volume-file.js'
import { LockedError } from '../formats/locked-error.js'

/**
 * The URN of the stream that is meant by a name relative to its volume, with a slash before it or without:
 * `/c:/pagefile.sys`, `boot/vmlinuz`. Any other name is given back as it is.
 */
export async function streamCalled(
  name: string,
  paths: readonly string[],
  secrets: Secrets,
): Promise<string> {
  const volumes = await Promise.all(paths.map((path) => openVolumeFile(path, secrets)))
  const wanted = relative(name)
  const entries = await listStreams(volumes)
  const found = entries.find(({ urn, volume: { graph, urn: home } }) =>
    [graph.value(urn, aff4('originalFileName')), urn.startsWith(`${home}/`) && urn.slice(home.length)].some(
      (known) => known && relative(known) === wanted,
    ),
  )
  return found?.urn ?? name
}

const relative = (name: string) => name.replace(/^\/+/, '')

/** Whether a volume holds the memory of a machine; an encrypted one does not say, and takes no further one either. */
export async function holdsMemory(path: string): Promise<boolean> {
  try {
    const { graph } = await openVolumeFile(path)
    for (const subject of graph.subjects())
      for (const { value } of graph.all(subject, aff4('category')))
        if (/[#/]memory\/physical$/.test(value)) return true
    return false
  } catch (error) {
    if (error instanceof LockedError) return false
    throw error
  }
}
