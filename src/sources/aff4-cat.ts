import { EXIT, ToolError } from '../cli/exit.js'
import type { Log } from '../cli/messages.js'
import { parseRange } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import type { Run } from '../formats/address-space.js'
import { aff4, DIGESTS, pmem, RDF_TYPE, STRUCTURAL } from '../formats/aff4/lexicon.js'
import {
  type Extent,
  listStreams,
  type OpenStream,
  openStream,
  type StreamEntry,
} from '../formats/aff4/reader.js'
import { formatTurtle } from '../formats/aff4/turtle.js'
import { openVolume, type Volume } from '../formats/aff4/volume.js'
import { openFileSource } from '../formats/file-source.js'
import { formatAddress } from '../frames/address.js'
import type { Batch, DigestBody, Frame, StreamBody } from '../frames/frame.js'
import { type Span, spansToFrames } from './address-space-frames.js'
import { now } from './stream-frames.js'

/** Extents that are turned into frames together. */
const LARGEST_GROUP = 4096

/** What is lost where a chunk is damaged. */
const UNIT = 32 << 10

/** aff4-cat: streams of AFF4 volumes as frames. */
export const tool: Tool = {
  name: 'aff4-cat',
  role: 'source',
  usage: 'VOLUME…',
  summary: 'send streams of AFF4 volumes',
  options: {
    stream: { value: 'NAME', repeat: true, help: 'only this stream, by its name or URN' },
    range: { value: 'RANGE', help: 'only these addresses: 0x1000-0x9f000 or 0x1000+0x9e000' },
  },
  operands: [1, Number.POSITIVE_INFINITY],
  run({ operands, options, io, log }) {
    const range = options.value('range')
    return io.transmit(
      catVolumes(
        log,
        operands,
        options.values('stream'),
        range === undefined ? undefined : parseRange(range),
      ),
    )
  },
}

/**
 * The streams of volumes that belong together, in the order of their kinds: images before files.
 * @param wanted names or URNs; none of them means all that nothing else rests on
 * @throws {ToolError} when a stream that was asked for is not there
 */
export async function* catVolumes(
  log: Log,
  paths: readonly string[],
  wanted: readonly string[],
  range: Run | undefined,
): AsyncGenerator<Batch> {
  const volumes: Volume[] = []
  for (const path of paths) {
    const volume = await openVolume(openFileSource(path))
    for (const warning of volume.warnings) log.warn(`${path}: ${warning}`)
    volumes.push(volume)
  }
  const all = await listStreams(volumes)
  const isWanted = (entry: StreamEntry) =>
    wanted.length === 0 ? !entry.backing : wanted.some((name) => name === entry.urn || name === nameOf(entry))
  const chosen = all.filter(isWanted)
  for (const name of wanted)
    if (!all.some((entry) => entry.urn === name || nameOf(entry) === name))
      throw new ToolError(EXIT.noInput, `${paths.join(', ')}: no stream is called ${name}`, {
        hint: `there are: ${
          all
            .filter(({ backing }) => !backing)
            .map(nameOf)
            .join(', ') || 'none'
        }`,
      })
  if (chosen.length === 0)
    throw new ToolError(EXIT.data, `${paths.join(', ')}: no stream in there`, {
      hint: 'aff4-view shows what the volume says',
    })
  for (const volume of volumes) yield [{ type: 'meta', stream: 0, time: 0n, turtle: custodyOf(volume) }]
  for (const [index, entry] of chosen.entries())
    yield* catStream(entry, await openStream(volumes, entry.urn), index + 1, range)
}

async function* catStream(
  entry: StreamEntry,
  open: OpenStream,
  stream: number,
  range: Run | undefined,
): AsyncGenerator<Batch> {
  const body = describe(entry, open, range)
  const incomplete = entry.volume.graph.value(entry.urn, pmem('incomplete'))
  yield [
    { type: 'stream', stream, time: 0n, body },
    { type: 'meta', stream, time: 0n, turtle: factsOf(entry) },
  ]
  const program = tool.name
  let covered = 0n
  for (const extents of bySymbol(open.extents(), range)) {
    const [first] = extents
    if (typeof first?.content === 'number') {
      yield extents.map(({ start, length }): Frame => {
        covered += length
        return {
          type: 'fill',
          stream,
          time: 0n,
          offset: start,
          length,
          fill: 'byte',
          value: first.content as number,
        }
      })
      continue
    }
    const tally = yield* spansToFrames({
      stream,
      spans: extents.map(toSpan),
      read: (address, length) => open.read(address, length),
      pageSize: UNIT,
      program,
    })
    covered += tally.covered
  }
  yield [
    ...(range ? [] : digestsOf(entry)).map(
      (digest): Frame => ({ type: 'digest', stream, time: 0n, body: digest }),
    ),
    {
      type: 'close',
      stream,
      time: now(),
      body:
        incomplete === undefined
          ? { status: 'complete', bytes: Number(covered) }
          : { status: 'failed', error: `incomplete in the volume: ${incomplete}`, bytes: Number(covered) },
    },
  ]
}

/** Extents within the range, in groups: those of one repeated byte apart from the rest. */
function* bySymbol(extents: Iterable<Extent>, range: Run | undefined): Generator<Extent[]> {
  let group: Extent[] = []
  const byteOf = (extent: Extent | undefined) =>
    typeof extent?.content === 'number' ? extent.content : undefined
  for (const extent of extents) {
    const clipped = range ? clip(extent, range) : extent
    if (!clipped) continue
    if (group.length === LARGEST_GROUP || (group.length > 0 && byteOf(group[0]) !== byteOf(clipped))) {
      yield group
      group = []
    }
    group.push(clipped)
  }
  if (group.length > 0) yield group
}

function clip(extent: Extent, range: Run): Extent | undefined {
  const start = extent.start > range.start ? extent.start : range.start
  const end = [extent.start + extent.length, range.start + range.length].reduce((a, b) => (a < b ? a : b))
  return end > start ? { ...extent, start, length: end - start } : undefined
}

function toSpan({ start, length, content }: Extent): Span {
  return content === 'stored' || typeof content === 'number'
    ? { start, length }
    : { start, length, fill: content }
}

function nameOf({ urn, volume }: StreamEntry): string {
  const { graph } = volume
  return (
    graph.value(urn, aff4('originalFileName')) ??
    (urn.startsWith(`${volume.urn}/`) ? urn.slice(volume.urn.length + 1) : urn)
  )
}

/** The object that holds the bytes of an image, and with them its hashes. */
const holderOf = ({ urn, volume }: StreamEntry) => volume.graph.value(urn, aff4('dataStream')) ?? urn

function describe(entry: StreamEntry, open: OpenStream, range: Run | undefined): StreamBody {
  const { graph } = entry.volume
  const category = graph.value(entry.urn, aff4('category')) ?? graph.value(holderOf(entry), aff4('category'))
  const memory = graph.isA(entry.urn, aff4('MemoryImage')) || graph.isA(entry.urn, aff4('DiscontiguousImage'))
  const [first] = open.runs
  const whole =
    open.size === 0n || (open.runs.length === 1 && first!.start === 0n && first!.length === open.size)
  const kind = memory || !whole || range ? 'map' : 'image'
  const nameBytes = graph.value(entry.urn, pmem('nameBytes'))
  const runs = range
    ? open.runs.map((run) => clip({ ...run, content: 'stored' }, range)).filter((run) => run !== undefined)
    : open.runs
  return {
    name: nameOf(entry),
    kind,
    size: formatAddress(open.size),
    ...(nameBytes !== undefined && { nameBytes }),
    ...(category !== undefined && { category: category.replace(aff4(''), '').replace('/', ':') }),
    ...(kind === 'map' && {
      ranges: runs.map(({ start, length }): [string, string] => [
        formatAddress(start),
        formatAddress(length),
      ]),
    }),
  }
}

/** Who handled the bytes before: the transmissions that a volume was written from. */
function custodyOf({ graph, urn }: Volume): string {
  const own = graph.statements.filter(({ subject }) =>
    ['Transmission', 'Program'].some((type) => graph.isA(subject, pmem(type))),
  )
  return formatTurtle(own, urn)
}

/** True of the acquisition into this volume only. */
const OF_THE_VOLUME = new Set([aff4('acquisitionCompletionState'), pmem('incomplete')])

/** What the volume says about the object itself; what ties it to other objects stays behind. */
function factsOf({ urn, volume }: StreamEntry): string {
  const own = volume.graph.statements.filter(
    ({ subject, predicate }) =>
      subject === urn &&
      !STRUCTURAL.has(predicate) &&
      !OF_THE_VOLUME.has(predicate) &&
      predicate !== RDF_TYPE,
  )
  return formatTurtle(
    own.map((statement) => ({ ...statement, subject: '' })),
    volume.urn,
  )
}

function digestsOf(entry: StreamEntry): DigestBody[] {
  const { graph } = entry.volume
  const holder = holderOf(entry)
  const found: DigestBody[] = []
  for (const [predicate, covers] of [
    [aff4('hash'), 'linear'],
    [pmem('rangesHash'), 'ranges'],
  ] as const)
    for (const node of graph.all(holder, predicate)) {
      if (node.termType !== 'Literal') continue
      const datatype = node.datatype.value.replace(aff4(''), '').toLowerCase()
      const known = Object.values(DIGESTS).find((digest) => digest.datatype.toLowerCase() === datatype)
      if (known) found.push({ algorithm: known.node, value: node.value.toLowerCase(), covers })
    }
  return found
}
