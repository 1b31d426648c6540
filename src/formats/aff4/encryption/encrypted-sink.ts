import { asDataView } from '../../../codecs/views.js'
import type { ByteSink, Bytes } from '../../byte-source.js'
import { type Checkpoint, graphCheckpoints } from '../checkpoint.js'
import { bevyUrn, chunksPerBevy, INDEX_ENTRY_SIZE, indexUrn, writeIndexEntry } from '../image-stream.js'
import { aff4, dateTime, int, iri, long, pmem, RDF_TYPE, text } from '../lexicon.js'
import { CONTAINER_DESCRIPTION, freshUrn, INFORMATION_TURTLE, rawMemberName, VERSION_TXT } from '../names.js'
import { createGraph, formatTurtle, type Statement } from '../turtle.js'
import { createZipWriter, memberOverhead } from '../zip/writer.js'
import { describeKeyBag, type KeyBag } from './key-bag.js'
import { UNIT, type UnitCipher } from './xts.js'

const UNITS_PER_BEVY = chunksPerBevy(UNIT)
const BEVY_BYTES = UNITS_PER_BEVY * UNIT
/** `size` and `status`, which are said last. */
const LAST_STATEMENTS = 1024

/**
 * The volume that holds nothing but one encrypted stream, as a sink for what is to be encrypted. A bevy of the plain
 * bytes stays in memory until it is written: what was accepted is never lost with a write that fails.
 */
export interface EncryptedSink extends ByteSink {
  /** End of what was written whole to the output. After a failed write what follows may be cut off. */
  readonly intact: bigint
  /** How many bytes `finish` writes to the output at most, once `more` bytes have been taken. */
  finishBytes(more: number): number
  /**
   * After a failed write, once nobody writes any more: goes on at `position`, or as near behind it as what is on the
   * disk allows.
   */
  rewind(position: bigint): Promise<void>
  /** Writes what is left, and turtle and directory. May be called again after a failed write. */
  finish(status: string | undefined): Promise<void>
}

/**
 * Begins the outer volume.
 * @param tool name and version of the program, for version.txt
 * @throws what the sink throws
 */
export async function createEncryptedSink(
  sink: ByteSink,
  options: { readonly tool: string; readonly now: Date },
  bags: readonly KeyBag[],
  encrypt: UnitCipher,
): Promise<EncryptedSink> {
  const [urn, stream] = [freshUrn(), freshUrn()]
  const zip = createZipWriter(sink)
  const graph = createGraph()
  const encode = (statements: Iterable<Statement>) => Buffer.from(formatTurtle(statements, urn), 'utf8')
  const nextCheckpoint = graphCheckpoints(graph, encode)
  const plain = Buffer.alloc(BEVY_BYTES)
  const bevy = Buffer.alloc(BEVY_BYTES)
  const index = Buffer.alloc(UNITS_PER_BEVY * INDEX_ENTRY_SIZE)
  const indexView = asDataView(index)
  for (let slot = 0; slot < UNITS_PER_BEVY; slot++) writeIndexEntry(indexView, slot, slot * UNIT, UNIT)
  /** Bevies that are on the disk, and plain bytes of the next one. */
  let bevies = 0
  let used = 0

  graph.add(urn, RDF_TYPE, iri(aff4('ZipVolume')))
  graph.add(urn, aff4('interface'), iri(aff4('Volume')))
  graph.add(urn, aff4('creationTime'), dateTime(options.now))
  graph.add(urn, aff4('contains'), iri(stream))
  graph.add(stream, RDF_TYPE, iri(aff4('EncryptedStream')))
  graph.add(stream, aff4('stored'), iri(urn))
  graph.add(stream, aff4('chunkSize'), int(UNIT))
  graph.add(stream, aff4('chunksInSegment'), int(UNITS_PER_BEVY))
  for (const bag of bags) describeKeyBag(graph, stream, bag)
  const version = `major=1\nminor=2\ntool=${options.tool.replace(/[=\r\n]/g, ' ')}\n`
  await zip.write(
    { name: CONTAINER_DESCRIPTION, pieces: [Buffer.from(urn, 'utf8')] },
    { name: VERSION_TXT, pieces: [Buffer.from(version, 'utf8')] },
    // Without its key bags a volume whose end was never written could not be opened by anybody.
    ...committed(nextCheckpoint()),
  )

  const name = (object: string) => rawMemberName(object, urn)
  const flushed = () => BigInt(bevies) * BigInt(BEVY_BYTES)

  async function flush(): Promise<void> {
    const units = Math.ceil(used / UNIT)
    if (units === 0) return
    plain.fill(0, used, units * UNIT)
    const stored = bevy.subarray(0, units * UNIT)
    encrypt(plain.subarray(0, stored.length), BigInt(bevies) * BigInt(UNITS_PER_BEVY), stored)
    await zip.write(
      { name: name(indexUrn(stream, bevies)), pieces: [index.subarray(0, units * INDEX_ENTRY_SIZE)] },
      { name: name(bevyUrn(stream, bevies)), pieces: [stored] },
    )
    bevies++
    used = 0
  }

  async function take(piece: Bytes): Promise<void> {
    for (let done = 0; done < piece.length; ) {
      if (used === BEVY_BYTES) await flush()
      const part = piece.subarray(done, done + BEVY_BYTES - used)
      plain.set(part, used)
      used += part.length
      done += part.length
    }
  }

  return {
    name: sink.name,
    get position() {
      return flushed() + BigInt(used)
    },
    get intact() {
      return zip.intact
    },
    async write(...pieces) {
      for (const piece of pieces) await take(piece)
    },
    finishBytes(more) {
      const units = Math.ceil((BEVY_BYTES + more) / UNIT)
      const members = Math.ceil(units / UNITS_PER_BEVY)
      const overhead = memberOverhead(indexUrn(stream, bevies)) + memberOverhead(bevyUrn(stream, bevies))
      const turtle = graph.turtleBytes + LAST_STATEMENTS + memberOverhead(INFORMATION_TURTLE)
      return units * (UNIT + INDEX_ENTRY_SIZE) + members * overhead + turtle + zip.finishBytes
    },
    async rewind(position) {
      await zip.recover()
      used = position > flushed() ? Number(position - flushed()) : 0
    },
    async finish(status) {
      const size = flushed() + BigInt(used)
      await flush()
      const more = createGraph()
      more.add(stream, aff4('size'), long(size))
      if (status !== undefined) more.add(urn, pmem('status'), text(status))
      const turtle = encode([...graph.statements, ...more.statements])
      await zip.write({ name: INFORMATION_TURTLE, pieces: [turtle] })
      await zip.finish(urn)
    },
  }
}

function committed(checkpoint: Checkpoint): Checkpoint['members'] {
  checkpoint.commit()
  return checkpoint.members
}
