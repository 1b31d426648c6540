import { appendRun, endOfRuns, type Run, subtractRuns, uniteRuns } from '../address-space.js'
import { BARE } from './inventory.js'
import { aff4, pmem } from './lexicon.js'
import { displayName } from './original-names.js'
import { type Extent, listStreams, openStream } from './reader.js'
import type { Statement } from './turtle.js'
import type { Volume } from './volume.js'

/** What a volume holds of one stream, for a transfer that brings the rest of it. */
export interface Holding {
  readonly urn: string
  readonly name: string
  /** Of a name that is not UTF-8: its bytes in Base64. */
  readonly nameBytes: string | undefined
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
  /** What is known of the machine and its boot, or of the disk, that it is of. */
  readonly origin: Origin
}

/** By predicate, what is the same in every part of one image. */
export type Origin = ReadonlyMap<string, string>

/** What stays as it is while a machine runs, a disk is the same one, and a file is not written to. */
const OF_ORIGIN = new Set([
  pmem('bootId'),
  pmem('elfMachine'),
  pmem('kernelRelease'),
  pmem('kernelVersion'),
  pmem('kernelBuildId'),
  pmem('kaslrShift'),
  aff4('OSXKALSRSlide'),
  aff4('NTBuilderNumber'),
  aff4('NTKernelBase'),
  aff4('NTKDBG'),
  pmem('processId'),
  pmem('executable'),
  aff4('diskMake'),
  aff4('diskModel'),
  aff4('diskSerial'),
  aff4('lastWritten'),
])

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
    const extents = map === undefined ? [] : (await openStream([volume], urn)).extents()
    const came = whatCame(extents, (content) => isHeld(volume, urn, content))
    holdings.push({
      ...describe(volume, urn),
      map,
      open: isLabelled(volume, urn) || came.lacks,
      held: came.held,
      unreadable: came.unreadable,
      announced: announcedOf(volume, urn),
      origin: originOf(volume.graph.about(urn)),
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
        origin: new Map(),
      })
  return holdings
}

const describe = (volume: Volume, urn: string) => ({
  urn,
  name: displayName(volume, urn),
  nameBytes: volume.graph.value(urn, pmem('nameBytes')),
})

/** Runs and not extents are kept: a disk has millions of these, which touch one another. */
function whatCame(extents: Iterable<Extent>, isHeld: (content: Extent['content']) => boolean) {
  const held: { start: bigint; length: bigint }[] = []
  let lacks = false
  let unreadable = false
  for (const { start, length, content } of extents) {
    if (!isHeld(content)) {
      lacks = true
      continue
    }
    unreadable ||= content === 'unreadable'
    appendRun(held, start, length)
  }
  return { held, lacks, unreadable }
}

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

/** @param statements about an image, or about a part of it */
export function originOf(statements: Iterable<Pick<Statement, 'predicate' | 'object'>>): Origin {
  const origin = new Map<string, string>()
  for (const { predicate, object } of statements)
    if (OF_ORIGIN.has(predicate) && !origin.has(predicate)) origin.set(predicate, object.value)
  return origin
}

/** Why a part is not of the image that a volume holds; undefined where nothing tells. */
export function otherOrigin(holding: Holding, part: Origin): string | undefined {
  for (const [predicate, before] of holding.origin) {
    const now = part.get(predicate)
    if (now !== undefined && now !== before)
      return `${predicate.replace(/^.*[#/]/, '')} was ${before}, and is now ${now}`
  }
  return undefined
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
  const [gone] = subtractRuns(holding.announced, announced)
  if (!image && gone) return `0x${gone.start.toString(16)} was announced of it, and is not in what comes`
  const [before, now] = [endOfRuns(holding.announced), endOfRuns(announced)]
  if (image && before > 0n && before !== now) return `it had ${before} bytes, and now has ${now}`
  return undefined
}
