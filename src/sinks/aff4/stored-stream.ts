import { EXIT, ToolError } from '../../cli/exit.js'
import type { Run } from '../../formats/address-space.js'
import { aff4, type DigestName, iri, long, pmem, RDF_TYPE, text } from '../../formats/aff4/lexicon.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import { formatAddress } from '../../frames/address.js'
import type {
  DataFrame,
  DigestBody,
  FillFrame,
  MetaFrame,
  NoteFrame,
  StreamBody,
} from '../../frames/frame.js'
import { hasBytes } from '../../frames/streams.js'
import { type Evidence, openEvidence } from './evidence.js'
import { informationYaml } from './information-yaml.js'
import { addDigests, addFacts, addNote, addState } from './provenance.js'
import { openSmallFile } from './small-file.js'

/** What the streams of a volume share. */
export interface StreamContext {
  readonly volume: VolumeWriter
  readonly blockHashes: readonly DigestName[]
  /** Object that says who handled the bytes. */
  readonly transmission: string | undefined
  /** Told when more stands in memory that must be written at the end; so many bytes besides the volume's own. */
  keepRoom(more: number): void
  warn(message: string): void
}

/** What is known of an image when the volume is finished. */
export interface StoredImage {
  readonly urn: string
  readonly rank: number
}

/** One stream of the pipe on its way into a volume. */
export interface StoredStream {
  /** Whether `data` takes frames of several chunks. */
  readonly takesRuns?: boolean
  data(frame: DataFrame): void | Promise<void>
  fill(frame: FillFrame): void | Promise<void>
  meta(frame: MetaFrame): void
  note(frame: NoteFrame): void
  digest(frame: DigestBody): void
  /**
   * Writes what is left of it.
   * @param state undefined when all of it came, else what became of it
   * @throws {ToolError} data, once it is written, when ranges came twice
   */
  end(state?: string): Promise<void>
  /** After a failed write, which has cost the ranges `lost`: says what is in the volume. Writes nothing. */
  abandon(state: string, lost: readonly Run[]): void
  /** Once it has ended: what may be called the image of the volume. */
  readonly image: StoredImage | undefined
}

/** Readers open any of several images: a memory goes before another map, a disk, a file. */
const RANKS = ['memory', 'map', 'disk', 'file'] as const
const TYPES = { memory: ['MemoryImage'], map: [], disk: ['DiskImage'], file: ['FileImage'] } as const

/** Frames that may come until the room is looked at again: so many entries of a map are far below its margin. */
const FRAMES_BETWEEN = 4096
/** What a digest takes in the volume. */
const DIGEST_BYTES = 512

export function openStoredStream(context: StreamContext, body: StreamBody): StoredStream {
  const { volume, keepRoom } = context
  const { graph } = volume
  const digests: DigestBody[] = []
  /** What is said of a stream before it is known what it becomes. */
  let about: (MetaFrame | NoteFrame)[] = []
  let aboutBytes = 0
  let small = openSmallFile(volume, body)
  let evidence: Evidence | undefined
  let image: StoredImage | undefined
  let frames = 0
  let concluded = false
  if (!small && hasBytes(body)) become()

  function become(): Evidence {
    evidence = openEvidence(volume, body, context.blockHashes, () => watch())
    const { urn, map } = evidence
    const kind = kindOf(body)
    const shape = body.kind === 'map' ? 'DiscontiguousImage' : 'ContiguousImage'
    volume.declare(urn, ...TYPES[kind], ...(kind === 'file' ? [] : [shape]))
    image = { urn, rank: RANKS.indexOf(kind) }
    describe(urn, map.urn)
    return evidence
  }

  function watch(more = 0): void {
    frames = 0
    keepRoom(more + aboutBytes + digests.length * DIGEST_BYTES + (evidence?.settleBytes ?? 0))
  }

  /** Says what STREAM has said and what came after it so far. */
  function describe(urn: string, holder: string): void {
    graph.add(urn, aff4('originalFileName'), text(body.name))
    if (body.nameBytes !== undefined) graph.add(urn, pmem('nameBytes'), text(body.nameBytes))
    // Rekall opens what has a category as a map.
    if (body.category !== undefined)
      graph.add(holder, aff4('category'), iri(aff4(body.category.replace(':', '/'))))
    if (context.transmission !== undefined) graph.add(urn, pmem('transmission'), iri(context.transmission))
    for (const [key, value] of Object.entries(body.properties ?? {}))
      graph.add(urn, pmem(key), text(typeof value === 'string' ? value : JSON.stringify(value)))
    for (const frame of about) say(urn, frame)
    about = []
    aboutBytes = 0
  }

  function say(urn: string, frame: MetaFrame | NoteFrame): void {
    if (frame.type === 'meta') addFacts(volume, urn, frame, context.warn)
    else addNote(volume, urn, frame)
  }

  function take(frame: MetaFrame | NoteFrame): void {
    const bytes =
      2 * Buffer.byteLength(JSON.stringify(frame.type === 'meta' ? frame.turtle : frame.body), 'utf8')
    watch(bytes)
    if (evidence) say(evidence.urn, frame)
    else {
      // Its raw form is a view that does not last.
      const { raw: _, ...kept } = frame
      about.push(kept)
      aboutBytes += bytes
    }
  }

  function bytes(frame: DataFrame | FillFrame): void | Promise<void> {
    if (++frames === FRAMES_BETWEEN) watch()
    if (evidence) return frame.type === 'data' ? evidence.data(frame) : evidence.fill(frame)
    if (small?.take(frame)) return
    const pieces = small?.pieces ?? []
    small = undefined
    become()
    return pour([...pieces, frame])
  }

  async function pour(pieces: readonly (DataFrame | FillFrame)[]): Promise<void> {
    for (const piece of pieces) await bytes(piece)
  }

  /** What is only known at the end. @param holder object whose bytes the digests are of */
  function conclude(urn: string, holder: string, state: string | undefined): void {
    concluded = true
    addState(volume, urn, state)
    if (state === undefined) addDigests(volume, holder, digests)
  }

  async function end(state?: string): Promise<void> {
    if (evidence) await endEvidence(evidence, state)
    else if (small) {
      const { urn, size } = await small.write()
      volume.declare(urn, 'FileImage', 'ZipSegment')
      graph.add(urn, aff4('size'), long(size))
      describe(urn, urn)
      conclude(urn, urn, state)
    } else {
      const urn = volume.freshUrn()
      volume.declare(urn)
      graph.add(urn, RDF_TYPE, iri(body.kind === 'folder' ? aff4('Folder') : pmem('SymbolicLink')))
      describe(urn, urn)
      conclude(urn, urn, state)
    }
    keepRoom(0)
  }

  async function endEvidence(
    { urn, map, settle, close }: Evidence,
    state: string | undefined,
  ): Promise<void> {
    const runs = map.runs()
    const [twice] = settle(state === undefined)
    const overlap = twice && `a range came twice at ${formatAddress(twice.start)}`
    watch()
    await close()
    conclude(urn, map.urn, overlap ?? state)
    if (body.category === 'memory:physical') {
      const yaml = informationYaml(graph, urn, runs)
      await volume.segment(`${map.urn}/information.yaml`, Buffer.from(yaml, 'utf8'))
    }
    if (overlap) throw new ToolError(EXIT.data, `${body.name}: ${overlap}`)
  }

  return {
    takesRuns: true,
    data: bytes,
    fill: bytes,
    meta: take,
    note: take,
    digest(digest) {
      digests.push(digest)
      watch()
    },
    end,
    abandon(state, lost) {
      if (concluded) return
      if (evidence) {
        evidence.settle(false, lost)
        conclude(evidence.urn, evidence.map.urn, state)
      } else graph.add(volume.urn, pmem('lostStream'), text(body.name))
    },
    get image() {
      return image
    },
  }
}

function kindOf({ kind, category }: StreamBody): (typeof RANKS)[number] {
  // A page file is no memory that a reader could begin with.
  if (category === 'memory:pagefile') return 'file'
  if (category?.startsWith('memory:')) return 'memory'
  if (category?.startsWith('disk:')) return 'disk'
  return kind === 'map' ? 'map' : 'file'
}
