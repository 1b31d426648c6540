import { EXIT, ToolError } from '../../cli/exit.js'
import { aff4, digestLiteral, iri, long, pmem, RDF_TYPE, text } from '../../formats/aff4/lexicon.js'
import { logicalUrn } from '../../formats/aff4/logical-names.js'
import { createGraph, type Statement } from '../../formats/aff4/turtle.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import { min } from '../../formats/min-max.js'
import { chunkContent } from '../../frames/chunk-content.js'
import type { DataFrame, DigestBody, FillFrame, StreamBody } from '../../frames/frame.js'
import { hasBytes } from '../../frames/streams.js'
import { createLinearDigest } from '../linear-digest.js'
import { type Evidence, openEvidence } from './evidence.js'
import { addDigests, addFacts, addNote } from './provenance.js'
import { openSmallFile } from './small-file.js'
import { BLOCK, blockKey, type Place, SMALLEST, type StoredBlocks } from './stored-blocks.js'
import type { StoredStream, StreamContext } from './stored-stream.js'

export interface LogicalContext extends StreamContext {
  /** What the volume holds already: duplicates, and further names of a file, point there. */
  readonly blocks: StoredBlocks
}

/**
 * One file, folder or link on its way into an AFF4-L volume (version 1.1): an object of its own, named by its
 * path. A small file is a member, a larger one a map; so is one whose bytes are in the volume already.
 */
export function openLogicalStream(context: LogicalContext, body: StreamBody): StoredStream {
  const { volume, blocks, keepRoom } = context
  /** Of this one alone: they leave for good when it has ended. */
  const graph = createGraph()
  const urn = nameFor(volume, body.name)
  const digest = createLinearDigest()
  const digests: DigestBody[] = []
  let small = openSmallFile(volume, body, urn)
  let evidence: Evidence | undefined
  /** Bytes of a block that is not whole yet, in order. */
  let begun: DataFrame[] = []
  /** Blocks that are stored here, for those who come later. */
  const stored: { key: string; place: Place }[] = []
  let concluded = false

  for (const type of TYPES[body.kind]) graph.add(urn, RDF_TYPE, iri(type))
  graph.add(urn, aff4('stored'), iri(volume.urn))
  graph.add(urn, aff4('originalFileName'), text(body.name))
  if (body.nameBytes !== undefined) graph.add(urn, pmem('nameBytes'), text(body.nameBytes))
  if (context.transmission !== undefined) graph.add(urn, pmem('transmission'), iri(context.transmission))
  for (const [key, value] of Object.entries(body.properties ?? {}))
    graph.add(urn, pmem(key), text(typeof value === 'string' ? value : JSON.stringify(value)))

  /** Readers take one name; the path as it was typed is another fact. */
  function renamed(statement: Statement): Statement {
    const isName = statement.subject === urn && statement.predicate === aff4('originalFileName')
    if (!isName || statement.object.value === body.name) return statement
    return { ...statement, predicate: pmem('givenName') }
  }

  function become(): Evidence {
    evidence ??= openEvidence(volume, body, context.blockHashes, () => watch(), { file: urn })
    return evidence
  }

  function watch(): void {
    keepRoom(graph.turtleBytes + (evidence?.settleBytes ?? 0))
  }

  async function bytes(frame: DataFrame | FillFrame): Promise<void> {
    if (small?.take(frame)) return
    const held = small?.pieces ?? []
    small = undefined
    for (const piece of [...held, frame]) await (piece.type === 'data' ? data(piece) : fill(piece))
  }

  async function fill(frame: FillFrame): Promise<void> {
    await storeBegun()
    become().fill(frame)
    digest.fill(frame.offset, frame.length, frame.fill === 'byte' ? (frame.value ?? 0) : frame.fill)
  }

  async function data(frame: DataFrame): Promise<void> {
    for (const piece of cutAtBlocks(frame, body.chunkSize)) {
      const last = begun.at(-1)
      if (last && last.offset + last.length !== piece.offset) await storeBegun()
      begun.push(piece)
      if ((piece.offset + piece.length) % BLOCK === 0n) await storeBegun()
    }
    // The batch's memory does not last; what came before is a copy already.
    const last = begun.pop()
    if (last) begun.push({ ...last, payload: Uint8Array.from(last.payload) })
  }

  /** Stores a block, or points to where its bytes are. */
  async function storeBegun(): Promise<void> {
    const [first] = begun
    if (!first) return
    const frames = begun
    begun = []
    const contents = frames.map((frame) => chunkContent(frame, body.chunkSize))
    for (const [index, content] of contents.entries()) digest.data(frames[index]!.offset, content)
    const into = become()
    const last = frames.at(-1)!
    const length = last.offset + last.length - first.offset
    const key = length < SMALLEST ? undefined : blockKey(contents)
    const known = key === undefined ? undefined : blocks.find(key)
    if (known) return into.point(first.offset, length, known)
    let place: Place | undefined
    let straight = true
    for (const frame of frames) {
      await into.data(frame)
      place ??= into.place
      straight &&= into.place?.offset === place!.offset + frame.offset - first.offset
    }
    // Where a chunk was padded its bytes don't lie one behind the other.
    if (key !== undefined && place && straight) stored.push({ key, place })
  }

  async function end(state?: string): Promise<void> {
    if (small) await endSmall(small, state)
    else if (evidence || begun.length > 0 || hasBytes(body)) await endLarge(state)
    else conclude(state, undefined)
    keepRoom(0)
  }

  async function endSmall(file: NonNullable<typeof small>, state: string | undefined): Promise<void> {
    const content = file.content()
    digest.data(0n, content)
    const key = content.length < Number(SMALLEST) ? undefined : blockKey([content])
    const known = key === undefined ? undefined : blocks.find(key)
    if (known) {
      become().point(0n, BigInt(content.length), known)
      await evidence!.close()
    } else {
      await file.write()
      graph.add(urn, RDF_TYPE, iri(aff4('ZipSegment')))
      graph.add(urn, aff4('size'), long(BigInt(content.length)))
      if (key !== undefined) blocks.add(key, { target: urn, offset: 0n })
    }
    conclude(state, digest.value())
  }

  async function endLarge(state: string | undefined): Promise<void> {
    await storeBegun()
    const { map, settle, close } = become()
    const came = map.size
    const [twice] = settle(state === undefined)
    digest.fill(came, map.size - came, 'zero')
    watch()
    await close()
    for (const { key, place } of stored) blocks.add(key, place)
    const overlap = twice && `a range came twice at 0x${twice.start.toString(16)}`
    conclude(overlap ?? state, digest.value())
    if (overlap) throw new ToolError(EXIT.data, `${body.name}: ${overlap}`)
  }

  /** What is only known at the end; with that, everything is. */
  function conclude(state: string | undefined, sha256: string | undefined): void {
    concluded = true
    if (state !== undefined) {
      graph.add(urn, pmem('incomplete'), text(state))
      graph.add(urn, aff4('acquisitionCompletionState'), text(state))
    } else if (sha256 !== undefined) graph.add(urn, aff4('hash'), digestLiteral('SHA256', sha256))
    if (state === undefined) addDigests({ graph }, urn, digests)
    volume.settle(graph)
    const given = digests.find(({ algorithm, covers }) => algorithm === 'sha256' && covers === 'linear')
    if (state === undefined && sha256 !== undefined && given && given.value.toLowerCase() !== sha256)
      throw new ToolError(EXIT.data, `${body.name}: sha256 is ${sha256}, but ${given.value} came with it`)
  }

  return {
    data: bytes,
    fill: bytes,
    meta(frame) {
      addFacts({ graph }, urn, frame, context.warn, renamed)
      keepRoom(graph.turtleBytes)
    },
    note(frame) {
      addNote({ graph, freshUrn: volume.freshUrn }, urn, frame)
      keepRoom(graph.turtleBytes)
    },
    digest(given) {
      digests.push(given)
    },
    end,
    abandon(state, lost) {
      if (concluded) return
      if (evidence) evidence.settle(false, lost)
      else graph.add(volume.urn, pmem('lostStream'), text(body.name))
      conclude(state, undefined)
    },
    image: undefined,
  }
}

const FILE = [aff4('FileImage'), aff4('Image')]
const TYPES: Record<StreamBody['kind'], readonly string[]> = {
  image: FILE,
  map: FILE,
  folder: [aff4('Folder'), aff4('Image')],
  link: [pmem('SymbolicLink')],
}

/** By its path, unless something else is called that: two sources may have a file of one name. */
function nameFor(volume: VolumeWriter, path: string): string {
  const named = logicalUrn(path, volume.urn)
  if (named === undefined) return volume.freshUrn()
  return [named, `${named}/map`, `${named}/idx`].some((urn) => volume.has(urn)) ? volume.freshUrn() : named
}

/** The pieces of a frame between borders of blocks; chunks that lie across one are decoded. */
function cutAtBlocks(frame: DataFrame, chunkSize: number | undefined): DataFrame[] {
  const { offset, length } = frame
  const end = offset + length
  if (offset / BLOCK === (end - 1n) / BLOCK) return [frame]
  const content = chunkContent(frame, chunkSize)
  const pieces: DataFrame[] = []
  for (let at = offset; at < end; ) {
    const border = (at / BLOCK + 1n) * BLOCK
    const to = min(border, end)
    const payload = content.subarray(Number(at - offset), Number(to - offset))
    pieces.push({
      type: 'data',
      stream: frame.stream,
      time: frame.time,
      offset: at,
      length: to - at,
      codec: 'none',
      padded: false,
      payload,
    })
    at = to
  }
  return pieces
}
