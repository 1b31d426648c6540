import { endOfRuns, mergeRuns, type Run, subtractRuns, uniteRuns } from '../address-space.js'
import { BARE } from './inventory.js'
import { aff4, pmem } from './lexicon.js'
import { displayName } from './original-names.js'
import { type Extent, listStreams, openStream } from './reader.js'
import type { Volume } from './volume.js'

/** What a volume holds of one stream, for a transfer that brings the rest of it. */
export interface Holding {
  readonly urn: string
  readonly name: string
  /** The map of an image: what is missing can be added to it. Anything else is stored anew. */
  readonly map: string | undefined
  /** It is not all there: the volume says so, or ranges of its map never came. */
  readonly open: boolean
  /** Ranges of an image that came, unreadable ones among them. */
  readonly held: readonly Run[]
  /** Some of these could not be read. */
  readonly unreadable: boolean
  /** What was announced of an image before it came. */
  readonly announced: readonly Run[]
}

/**
 * All that a volume holds, folders and links too.
 * @throws {FormatError} when a map is damaged
 */
export async function holdingsOf(volume: Volume): Promise<Holding[]> {
  const { graph } = volume
  const holdings: Holding[] = []
  const streams = await listStreams([volume])
  for (const { urn, form, backing } of streams) {
    if (backing) continue
    const data = form === 'image' ? graph.value(urn, aff4('dataStream')) : undefined
    const map = data !== undefined && graph.isA(data, aff4('Map')) ? data : undefined
    const extents = map === undefined ? [] : [...(await openStream([volume], urn)).extents()]
    const came = extents.filter(({ content }) => isHeld(volume, urn, content))
    holdings.push({
      ...describe(volume, urn),
      map,
      open: isLabelled(volume, urn) || came.length < extents.length,
      held: mergeRuns(came),
      unreadable: came.some(({ content }) => content === 'unreadable'),
      announced: announcedOf(volume, urn),
    })
  }
  const listed = new Set(streams.map(({ urn }) => urn))
  for (const urn of graph.subjects())
    if (!listed.has(urn) && BARE.some(([type]) => graph.isA(urn, type)))
      holdings.push({
        ...describe(volume, urn),
        map: undefined,
        open: isLabelled(volume, urn),
        held: [],
        unreadable: false,
        announced: [],
      })
  return holdings
}

const describe = (volume: Volume, urn: string) => ({ urn, name: displayName(volume, urn) })

/** Whether the volume says that something is not all there. */
export function isLabelled({ graph }: Volume, urn: string): boolean {
  const state = graph.value(urn, aff4('acquisitionCompletionState'))
  return (
    graph.value(urn, pmem('incomplete')) !== undefined ||
    (state !== undefined && state !== 'Completed Normally')
  )
}

/** What could not be read was tried; but of a volume that was put together again that may be what is lost of it. */
function isHeld(volume: Volume, urn: string, content: Extent['content']): boolean {
  if (content !== 'unreadable') return content !== 'unknown'
  return !isLabelled(volume, urn) || volume.graph.value(volume.urn, pmem('reconstructed')) === undefined
}

function announcedOf({ graph }: Volume, urn: string): Run[] {
  const runs = graph.all(urn, pmem('announcedRange')).flatMap(({ value }) => {
    const [, start, length] = /^(0x[0-9a-f]{1,16})\+(0x[0-9a-f]{1,16})$/.exec(value) ?? []
    return start && length ? [{ start: BigInt(start), length: BigInt(length) }] : []
  })
  return uniteRuns(runs)
}

/**
 * Why a stream cannot be the rest of what a volume holds; undefined where it may be.
 * @param announced what the stream says ahead that it will bring
 */
export function contradiction(
  holding: Holding,
  image: boolean,
  announced: readonly Run[],
): string | undefined {
  const [outside] = subtractRuns(holding.held, announced)
  if (outside) return `the volume holds 0x${outside.start.toString(16)}, which is not in what comes`
  const [before, now] = [endOfRuns(holding.announced), endOfRuns(announced)]
  if (image && before > 0n && before !== now) return `it had ${before} bytes, and now has ${now}`
  return undefined
}
