import type { Secrets } from '../aff4/encryption/unlock.js'
import { displayName } from '../aff4/original-names.js'
import { listStreams, openStream, type StreamEntry } from '../aff4/reader.js'
import { streamSource } from '../aff4/stream-source.js'
import { openVolumeFiles } from '../aff4/volume-file.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'

const MOST_NAMED = 20

/**
 * A stream of an AFF4 volume as a ByteSource.
 * @param wanted its name or URN; where absent, the only one that no other rests on
 * @throws {FormatError} listing the streams, when it is not there or there is more than one
 */
export async function openAff4Image(
  path: string,
  wanted: string | undefined,
  secrets: Secrets | undefined,
  warn: (message: string) => void,
): Promise<ByteSource> {
  const volumes = await openVolumeFiles([path], secrets, warn)
  const all = await listStreams(volumes)
  const chosen = all.filter((entry) =>
    wanted === undefined ? !entry.backing : wanted === entry.urn || wanted === nameOf(entry),
  )
  const [only] = chosen
  if (only && (chosen.length === 1 || wanted !== undefined))
    return streamSource(await openStream(volumes, only.urn), `${path}:${nameOf(only)}`)
  const names = all.filter(({ backing }) => !backing).map(nameOf)
  const listed = names.slice(0, MOST_NAMED).join(', ')
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''
  const why =
    wanted !== undefined
      ? `no stream is called ${wanted}`
      : names.length === 0
        ? 'no stream in there'
        : `${names.length} streams`
  const hint =
    names.length === 0 ? 'aff4-view shows what the volume says' : `${path}:STREAM is one of ${listed}${more}`
  throw new FormatError(`${path}: ${why}`, undefined, hint)
}

const nameOf = ({ urn, volume }: StreamEntry) => displayName(volume, urn)
