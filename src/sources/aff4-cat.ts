import { EXIT, ToolError } from '../cli/exit.js'
import { reasonOf } from '../cli/failure.js'
import type { Log } from '../cli/messages.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import { parseRange } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import type { Run } from '../formats/address-space.js'
import type { Secrets } from '../formats/aff4/encryption/unlock.js'
import { aff4, DIGESTS, iri, pmem, RDF_TYPE, STRUCTURAL } from '../formats/aff4/lexicon.js'
import { displayName } from '../formats/aff4/original-names.js'
import {
  type Extent,
  listStreams,
  type OpenStream,
  openStream,
  type StreamEntry,
} from '../formats/aff4/reader.js'
import { formatTurtle, type Statement } from '../formats/aff4/turtle.js'
import type { Volume } from '../formats/aff4/volume.js'
import { openVolumeFiles } from '../formats/aff4/volume-file.js'
import { max, min } from '../formats/min-max.js'
import { formatAddress } from '../frames/address.js'
import type { Batch, CloseBody, DigestBody, Frame, NoteBody, StreamBody } from '../frames/frame.js'
import { extentsToFrames } from './aff4/extent-frames.js'
import { createOutbox, type Outbox } from './outbox.js'
import { now } from './stream-frames.js'
import { listTree, type TreeObject, targetOf } from './volume-tree.js'

/** aff4-cat: streams of AFF4 volumes as frames. */
export const tool: Tool = {
  name: 'aff4-cat',
  role: 'source',
  usage: 'VOLUME…',
  summary: 'send streams of AFF4 volumes',
  options: {
    stream: { value: 'NAME', repeat: true, help: 'only this stream, by its name or URN' },
    range: { value: 'RANGE', help: 'only these addresses: 0x1000-0x9f000 or 0x1000+0x9e000' },
    ...SECRET_OPTIONS,
  },
  operands: [1, Number.POSITIVE_INFINITY],
  run({ operands, options, io, log, secrets = secretsOf(options) }) {
    const range = options.value('range')
    return io.transmit(
      catVolumes({
        log,
        paths: operands,
        wanted: options.values('stream'),
        range: range === undefined ? undefined : parseRange(range),
        secrets,
        batchesAlive: io.batchesAlive,
        program: tool.name,
      }),
    )
  },
}

export interface CatVolumes {
  readonly log: Log
  readonly paths: readonly string[]
  /** Names or URNs; none of them means all that nothing else rests on. */
  readonly wanted: readonly string[]
  readonly range: Run | undefined
  readonly secrets: Secrets
  /** For how many further batches the views of a batch stay valid. */
  readonly batchesAlive: number
  /** Named in notes. */
  readonly program: string
  /** Ids from here on are free. */
  readonly firstStream?: number
}

/**
 * The streams of volumes that belong together, in the order of their kinds: folders, images before files, links.
 * @throws {ToolError} when a stream that was asked for is not there
 */
export async function* catVolumes(given: CatVolumes): AsyncGenerator<Batch> {
  const { log, paths, wanted, range, secrets, batchesAlive, program, firstStream = 1 } = given
  const volumes = await openVolumeFiles(paths, secrets, (message) => log.warn(message))
  const all = await listStreams(volumes)
  const isNamed = (entry: Named) => wanted.some((name) => name === entry.urn || name === nameOf(entry))
  const chosen = all.filter((entry) => (wanted.length === 0 ? !entry.backing : isNamed(entry)))
  const tree = listTree(volumes).filter((entry) => (wanted.length === 0 ? !range : isNamed(entry)))
  for (const name of wanted)
    if (![...all, ...tree].some((entry) => entry.urn === name || nameOf(entry) === name))
      throw new ToolError(EXIT.noInput, `${paths.join(', ')}: no stream is called ${name}`, {
        hint: `there are: ${someOf(all.filter(({ backing }) => !backing).map(nameOf)) || 'none'}`,
      })
  if (chosen.length + tree.length === 0)
    throw new ToolError(EXIT.data, `${paths.join(', ')}: no stream in there`, {
      hint: 'aff4-view shows what the volume says',
    })
  for (const volume of volumes) yield [{ type: 'meta', stream: 0, time: 0n, turtle: custodyOf(volume) }]
  const notes = notesOf(volumes)
  const outbox = createOutbox(batchesAlive)
  let stream = firstStream - 1
  function* treeOf(kind: TreeObject['kind']): Generator<Batch> {
    for (const entry of tree)
      if (entry.kind === kind) yield withoutBytes(entry, ++stream, notes.get(entry.urn) ?? [])
  }
  yield* treeOf('folder')
  for (const entry of chosen) {
    stream++
    let open: OpenStream
    try {
      open = await openStream(volumes, entry.urn)
    } catch (error) {
      if (chosen.length === 1) throw error
      yield damagedStream(entry, stream, reasonOf(error))
      continue
    }
    yield* catStream(outbox, entry, open, stream, range, notes.get(entry.urn) ?? [], program)
  }
  yield* treeOf('link')
}

const MOST_NAMED = 20

const someOf = (names: readonly string[]) =>
  names.slice(0, MOST_NAMED).join(', ') +
  (names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '')

/** A folder or a link. */
function withoutBytes(entry: TreeObject, stream: number, notes: readonly NoteBody[]): Frame[] {
  const incomplete = entry.volume.graph.value(entry.urn, pmem('incomplete'))
  const body: StreamBody = {
    name: nameOf(entry),
    ...nameBytesOf(entry),
    kind: entry.kind,
    ...(entry.kind === 'link' && targetOf(entry)),
  }
  return [
    { type: 'stream', stream, time: 0n, body },
    { type: 'meta', stream, time: 0n, turtle: factsOf(entry) },
    ...notes.map((note): Frame => ({ type: 'note', stream, time: 0n, body: note })),
    { type: 'close', stream, time: now(), body: closing(incomplete, 0n) },
  ]
}

/** How a stream ends: what was incomplete in the volume does not become whole by being sent. */
function closing(incomplete: string | undefined, covered: bigint, damage?: string): CloseBody {
  const bytes = Number(covered)
  const error = incomplete === undefined ? damage : `incomplete in the volume: ${incomplete}`
  return error === undefined ? { status: 'complete', bytes } : { status: 'failed', error, bytes }
}

/** One of several streams that can't be opened is no reason to hold back the others. */
function damagedStream(entry: StreamEntry, stream: number, error: string): Batch {
  return [
    { type: 'stream', stream, time: 0n, body: { name: nameOf(entry), kind: 'image' } },
    { type: 'close', stream, time: 0n, body: { status: 'failed', error, bytes: 0 } },
  ]
}

async function* catStream(
  outbox: Outbox,
  entry: StreamEntry,
  open: OpenStream,
  stream: number,
  range: Run | undefined,
  notes: readonly NoteBody[],
  program: string,
): AsyncGenerator<Batch> {
  const body = describe(entry, open, range)
  const incomplete = entry.volume.graph.value(entry.urn, pmem('incomplete'))
  yield [
    { type: 'stream', stream, time: 0n, body },
    { type: 'meta', stream, time: 0n, turtle: factsOf(entry) },
    ...notes.map((note): Frame => ({ type: 'note', stream, time: 0n, body: note })),
  ]
  const { covered, damage } = yield* extentsToFrames({
    outbox,
    stream,
    open,
    extents: clipped(open.extents(), range),
    program,
  })
  yield [
    ...(range ? [] : digestsOf(entry)).map(
      (digest): Frame => ({ type: 'digest', stream, time: 0n, body: digest }),
    ),
    {
      type: 'close',
      stream,
      time: now(),
      body: closing(incomplete, covered, damage),
    },
  ]
}

function* clipped(extents: Iterable<Extent>, range: Run | undefined): Generator<Extent> {
  for (const extent of extents) {
    const within = range ? clip(extent, range) : extent
    if (within) yield within
  }
}

function clip(extent: Extent, range: Run): Extent | undefined {
  const start = max(extent.start, range.start)
  const end = min(extent.start + extent.length, range.start + range.length)
  return end > start ? { ...extent, start, length: end - start } : undefined
}

type Named = Pick<StreamEntry, 'urn' | 'volume'>

const nameOf = ({ urn, volume }: Named) => displayName(volume, urn)

function nameBytesOf({ urn, volume }: Named): Pick<StreamBody, 'nameBytes'> {
  const nameBytes = volume.graph.value(urn, pmem('nameBytes'))
  return nameBytes === undefined ? {} : { nameBytes }
}

/** The object that holds the bytes of an image, and with them its hashes. */
const holderOf = ({ urn, volume }: StreamEntry) => volume.graph.value(urn, aff4('dataStream')) ?? urn

/** What STREAM can say in sixteen digits. */
const LARGEST_SIZE = (1n << 64n) - 1n

function describe(entry: StreamEntry, open: OpenStream, range: Run | undefined): StreamBody {
  const { graph } = entry.volume
  const [first] = open.runs
  const whole =
    open.size === 0n || (open.runs.length === 1 && first!.start === 0n && first!.length === open.size)
  const sparse = ['MemoryImage', 'DiscontiguousImage'].some((type) => graph.isA(entry.urn, aff4(type)))
  const kind = sparse || !whole || range ? 'map' : 'image'
  const category = graph.value(holderOf(entry), aff4('category')) ?? graph.value(entry.urn, aff4('category'))
  const runs = range ? open.runs.map((run) => clip({ ...run, content: 'stored' }, range)) : open.runs
  return {
    name: nameOf(entry),
    kind,
    ...nameBytesOf(entry),
    ...(category?.startsWith(aff4('')) && { category: category.slice(aff4('').length).replace('/', ':') }),
    ...(open.size <= LARGEST_SIZE && { size: formatAddress(open.size) }),
    ...(open.chunkSize !== undefined && { chunkSize: open.chunkSize }),
    ...(kind === 'map' &&
      open.size <= LARGEST_SIZE && {
        ranges: runs
          .filter((run) => run !== undefined)
          .map(({ start, length }): [string, string] => [formatAddress(start), formatAddress(length)]),
      }),
  }
}

/** Who handled the bytes before: the transmissions that a volume was written from. */
function custodyOf({ graph, urn }: Volume): string {
  const own = [...graph.subjects()].filter((subject) =>
    ['Transmission', 'Program'].some((type) => graph.isA(subject, pmem(type))),
  )
  return formatTurtle(own.flatMap(graph.about), urn)
}

/** True of the acquisition into this volume only. */
const OF_THE_VOLUME = new Set([aff4('acquisitionCompletionState'), pmem('incomplete')])

/**
 * What the volume says about the object itself and about what belongs to it, as seen from there (`<>`). What ties
 * it to other objects stays behind.
 */
function factsOf({ urn, volume }: Named): string {
  const { graph } = volume
  const own = (name: string) => name === urn || name.startsWith(`${urn}#`) || name.startsWith('_:')
  const relative = (name: string) => (name.startsWith(urn) ? name.slice(urn.length) : name)
  const facts: Statement[] = []
  const reached = new Set([urn])
  // The set grows while it is walked.
  for (const subject of reached)
    for (const predicate of graph.predicates(subject)) {
      if (STRUCTURAL.has(predicate) || OF_THE_VOLUME.has(predicate)) continue
      for (const object of graph.all(subject, predicate)) {
        if (predicate === RDF_TYPE && object.value.startsWith(aff4(''))) continue
        if (object.termType !== 'Literal' && own(object.id)) reached.add(object.id)
        const named = object.termType === 'NamedNode' && own(object.value)
        facts.push({
          subject: relative(subject),
          predicate,
          object: named ? iri(relative(object.value)) : object,
        })
      }
    }
  return formatTurtle(facts, volume.urn)
}

/** What was noted about objects when they were acquired, by their URNs. */
function notesOf(volumes: readonly Volume[]): Map<string, NoteBody[]> {
  const notes = new Map<string, NoteBody[]>()
  for (const { graph } of volumes)
    for (const subject of graph.subjects()) {
      const target = graph.value(subject, aff4('target'))
      if (target === undefined || !graph.isA(subject, pmem('Note'))) continue
      const said = (term: string) => graph.value(subject, pmem(term))
      const address = (term: string) =>
        /^0x[0-9a-f]{1,16}$/i.test(said(term) ?? '') ? said(term) : undefined
      const [offset, length] = [address('offset'), address('length')]
      const note: NoteBody = {
        level: LEVELS.find((level) => level === said('level')) ?? 'info',
        program: said('program') ?? '',
        message: said('message') ?? '',
        ...(offset !== undefined && { offset }),
        ...(length !== undefined && { length }),
      }
      const others = notes.get(target)
      if (others) others.push(note)
      else notes.set(target, [note])
    }
  return notes
}

const LEVELS = ['info', 'warning', 'error'] as const

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
