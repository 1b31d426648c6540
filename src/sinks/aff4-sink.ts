import type { Outcome } from '../cli/output.js'
import type { Context, Tool } from '../cli/tool.js'
import { VERSION } from '../cli/version.js'
import { mergeRuns } from '../formats/address-space.js'
import { PMEM2015 } from '../formats/aff4/dialect.js'
import { createEncryptedVolume, type Seal } from '../formats/aff4/encryption/encrypted-volume.js'
import { aff4, dateTime, iri, pmem, RDF_TYPE, text } from '../formats/aff4/lexicon.js'
import { freshUrn } from '../formats/aff4/names.js'
import type { VolumeWriter } from '../formats/aff4/writer.js'
import type { ByteSink } from '../formats/byte-source.js'
import type { MetaFrame, NoteFrame, StartFrame, StreamBody, StreamFrame } from '../frames/frame.js'
import { openDiskReserve } from './aff4/disk-reserve.js'
import { openLogicalStream } from './aff4/logical-stream.js'
import { addFacts, addNote, describeTransmission } from './aff4/provenance.js'
import { openRekallStream } from './aff4/rekall-stream.js'
import { SEAL_OPTIONS, sealOf } from './aff4/seal.js'
import { createStoredBlocks } from './aff4/stored-blocks.js'
import { openStoredStream, type StoredImage, type StoredStream } from './aff4/stored-stream.js'
import { volumeKind } from './aff4/volume-kind.js'
import { openVolumeOutput, type VolumeOutput } from './aff4/volume-output.js'
import { type Receiver, receive } from './receive.js'

/** aff4-sink: every stream that comes, into one AFF4 Standard v1.0 volume. */
export const tool: Tool = {
  name: 'aff4-sink',
  role: 'sink',
  usage: 'OUT.aff4',
  summary: 'write an AFF4 volume',
  options: {
    'block-hashes': { help: 'store a SHA-256 of each chunk as well' },
    logical: { help: 'an AFF4-L volume: each file, folder and link an object of its own, named by its path' },
    layout: { value: 'LAYOUT', help: 'rekall: what the suite of 2015 reads; else standard' },
    onto: { help: 'put the volume behind a file that is none' },
    ...SEAL_OPTIONS,
  },
  operands: [1, 1],
  async run(context) {
    const { operands, options } = context
    const kind = volumeKind(options)
    const encrypt = options.flag('encrypt')
    const place = { replace: options.flag('truncate'), onto: options.flag('onto'), encrypt, kind }
    const target = await openVolumeOutput(operands[0]!, place)
    const seal = await sealOf(options, operands[0]!)
    return receive(context, createReceiver(target, context, seal))
  },
}

/** Ranges that a volume names as lost: what it holds says the same in full. */
const MOST_LOST_NAMED = 100
/** Messages from upstream can be of any length. */
const LONGEST_STATE = 1000

function createReceiver(
  target: VolumeOutput,
  { options, log }: Pick<Context, 'options' | 'log'>,
  seal: Seal | undefined,
): Receiver {
  const { output } = target
  const blockHashes = options.flag('block-hashes') ? (['sha256'] as const) : []
  const logical = options.flag('logical')
  const blocks = createStoredBlocks()
  const reserve = output.seekable ? openDiskReserve(output.path) : undefined
  let volume: VolumeWriter | undefined
  /** Frames about the whole that came before there was a volume. */
  let waiting: (StartFrame | MetaFrame | NoteFrame)[] = []
  let transmission: string | undefined
  let started: Date | undefined
  let open: StoredStream | undefined
  let writeFailed = false
  const images: StoredImage[] = []
  const warn = (message: string) => log.warn(message)

  /** Whatever is written or set aside: when it fails, the disk is full or gone. */
  function failing<T>(error: T): T {
    writeFailed = true
    return error
  }

  const sink: ByteSink = {
    name: output.name,
    get position() {
      return output.position
    },
    async write(...pieces) {
      try {
        await output.write(...pieces)
      } catch (error) {
        throw failing(error)
      }
    },
  }

  function keepRoom(more: number): void {
    try {
      if (volume) reserve?.hold(volume.finishBytes + more)
    } catch (error) {
      throw failing(error)
    }
  }

  async function begin(): Promise<VolumeWriter> {
    if (volume) return volume
    const about = { tool: `pmem ${VERSION}` }
    volume = await (seal ? createEncryptedVolume(sink, about, seal) : target.begin(sink, about))
    for (const frame of waiting) take(volume, frame)
    waiting = []
    return volume
  }

  function take(into: VolumeWriter, frame: StartFrame | MetaFrame | NoteFrame): void {
    if (frame.type === 'start') {
      started ??= new Date(frame.body.started ?? Date.now())
      transmission = describeTransmission(into, frame.body)
    } else if (frame.type === 'note') addNote(into, into.urn, frame)
    else addFacts(into, into.urn, frame, warn)
    keepRoom(0)
  }

  async function openStream({ body }: StreamFrame): Promise<StoredStream> {
    const into = await begin()
    const context = { volume: into, blockHashes, transmission, keepRoom, warn }
    if (into.dialect === PMEM2015) open = openRekallStream(context, body)
    else if ((logical || into.minor === 1) && isOfFiles(body))
      open = openLogicalStream({ ...context, blocks }, body)
    else open = openStoredStream(context, body)
    keepRoom(0)
    return open
  }

  async function close(state?: string): Promise<void> {
    const closing = open
    if (!closing) return
    if (closing.image) images.push(closing.image)
    try {
      await closing.end(state)
    } finally {
      // What a failed write has left half done is settled in the end.
      if (!writeFailed) open = undefined
    }
  }

  /** What is said of all that came: in a volume that was there before it is not true of the whole. */
  const whole = (into: VolumeWriter) => (target.appends && transmission) || into.urn

  /** Readers open any of several aff4:Images, so only one is called that. */
  function label(into: VolumeWriter, outcome: Outcome): void {
    const { graph } = into
    const [image] = images.toSorted((a, b) => a.rank - b.rank)
    const named = target.appends && [...graph.subjects()].some((subject) => graph.isA(subject, aff4('Image')))
    if (image && !named) graph.add(image.urn, RDF_TYPE, iri(aff4('Image')))
    if (graph.value(whole(into), pmem('status')) === undefined)
      graph.add(whole(into), pmem('status'), text(outcome.status))
    if (outcome.status !== 'complete') graph.add(whole(into), pmem('incomplete'), text(stateOf(outcome)))
    const times = freshUrn()
    into.declare(times, 'TimeStamps')
    graph.add(times, aff4('operation'), text('CAPTURE'))
    graph.add(times, aff4('timeSource'), text('SINK'))
    if (started && !Number.isNaN(started.getTime())) graph.add(times, aff4('startTime'), dateTime(started))
    graph.add(times, aff4('endTime'), dateTime(new Date()))
    graph.add(times, aff4('target'), iri(image?.urn ?? whole(into)))
  }

  /** After a failed write: back to what is whole, in the room that was kept for it. */
  async function salvage(into: VolumeWriter, outcome: Outcome): Promise<void> {
    reserve?.release()
    const lost = mergeRuns(await into.dropUnflushed())
    await output.truncate(into.intact)
    for (const { start, length } of lost.slice(0, MOST_LOST_NAMED))
      into.graph.add(whole(into), pmem('lostRange'), text(`0x${start.toString(16)}+0x${length.toString(16)}`))
    if (open?.image && !images.includes(open.image)) images.push(open.image)
    open?.abandon(stateOf(outcome), lost)
  }

  return {
    async open(frame) {
      const stream = await openStream(frame)
      return {
        data: stream.data,
        fill: stream.fill,
        meta: stream.meta,
        note: stream.note,
        digest: ({ body }) => stream.digest(body),
        close: ({ body }) => close(body.status === 'complete' ? undefined : (body.error ?? body.status)),
      }
    },
    transmission(frame) {
      if (frame.type === 'end') {
        if (volume && transmission) volume.graph.add(transmission, pmem('status'), text(frame.body.status))
      } else if (volume) take(volume, frame)
      else waiting.push(frame)
    },
    async finish(outcome) {
      try {
        return await finish(outcome)
      } catch (error) {
        if (await target.undo()) log.warn(`${output.name}: is again what it was before`)
        throw error
      }
    },
  }

  async function finish(outcome: Outcome): Promise<string | undefined> {
    if (!volume) return target.finish(outcome)
    let failure: unknown
    if (!writeFailed)
      await close(stateOf(outcome)).catch((error) => {
        failure = error
        Object.assign(outcome, { status: 'failed', error: (error as Error).message })
      })
    if (writeFailed && !output.seekable) return target.finish(outcome)
    if (writeFailed) await salvage(volume, outcome)
    else reserve?.release()
    label(volume, outcome)
    await volume.finish()
    const kept = await target.finish(outcome)
    if (failure) throw failure
    return kept
  }
}

/** A memory or a disk is the same in either kind of volume. */
const isOfFiles = ({ kind, category }: StreamBody) => kind !== 'map' && category === undefined

const stateOf = ({ status, error }: Outcome) =>
  `${status}: ${error ?? 'no reason given'}`.slice(0, LONGEST_STATE)
