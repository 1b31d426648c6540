import { reasonOf } from '../../cli/failure.js'
import type { Outcome } from '../../cli/output.js'
import type { Context } from '../../cli/tool.js'
import { VERSION } from '../../cli/version.js'
import { mergeRuns } from '../../formats/address-space.js'
import { PMEM2015 } from '../../formats/aff4/dialect.js'
import { createEncryptedVolume, type Seal } from '../../formats/aff4/encryption/encrypted-volume.js'
import { pmem, text } from '../../formats/aff4/lexicon.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import { eachChunk, isRun, type RunFrame } from '../../frames/chunk-run.js'
import type { MetaFrame, NoteFrame, StartFrame, StreamBody } from '../../frames/frame.js'
import type { Receiver } from '../receive.js'
import { admitStream } from '../sink-output.js'
import { watchSink } from '../watched-sink.js'
import { type Completion, elsewhere, openCompletion } from './completion.js'
import { conclude, nameLost, stateOf } from './conclusion.js'
import { openLogicalStream } from './logical-stream.js'
import { addFacts, addNote, describeTransmission } from './provenance.js'
import { openRekallStream } from './rekall-stream.js'
import { createStoredBlocks } from './stored-blocks.js'
import { openStoredStream, type StoredImage, type StoredStream, type StreamContext } from './stored-stream.js'
import type { Complete, VolumeOutput } from './volume-output.js'

/** Puts every stream that comes into a volume, which begins with the first of them. */
export function volumeReceiver(
  target: VolumeOutput,
  { options, log }: Pick<Context, 'options' | 'log'>,
  seal: Seal | undefined,
): Receiver {
  const { output } = target
  const sink = watchSink(output)
  const blockHashes = options.flag('block-hashes') ? (['sha256'] as const) : []
  const logical = options.flag('logical')
  const timeless = options.flag('deterministic')
  const tool = `pmem ${VERSION}`
  const blocks = createStoredBlocks()
  const images: StoredImage[] = []
  let volume: VolumeWriter | undefined
  /** Frames about the whole that came before there was a volume. */
  let waiting: (StartFrame | MetaFrame | NoteFrame)[] = []
  let transmission: string | undefined
  let started: Date | undefined
  let open: StoredStream | undefined
  /** URN of the volume that the frames are said to complete. */
  let completes: string | undefined
  let completion: Completion | undefined

  const warn = (message: string) => log.warn(message)
  const whole = (into: VolumeWriter) => (target.appends && transmission) || into.urn

  function keepRoom(more = 0): void {
    if (volume) sink.hold(volume.finishBytes + (completion?.bytes ?? 0) + more)
  }

  /** @param body the first stream that comes */
  async function begin(body: StreamBody): Promise<VolumeWriter> {
    if (volume) return volume
    const about = timeless ? { tool, rewrite: output.writeAt } : { tool }
    const meant = completes
    if (seal && meant !== undefined) throw elsewhere(output.name, meant)
    volume = await (seal
      ? createEncryptedVolume(sink, about, seal)
      : target.begin(sink, about, meant === undefined ? undefined : completing(meant, body)))
    for (const frame of waiting) take(volume, frame)
    waiting = []
    return volume
  }

  const completing =
    (meant: string, body: StreamBody): Complete =>
    async (file, old) => {
      if (!old) throw elsewhere(file, meant)
      completion = await openCompletion(file, old, meant)
      admitStream(output.space, body, false, log, completion.held(body))
      return completion.old
    }

  function take(into: VolumeWriter, frame: StartFrame | MetaFrame | NoteFrame): void {
    if (frame.type === 'start') {
      started ??= new Date(frame.body.started ?? Date.now())
      transmission = describeTransmission(into, frame.body, timeless)
    } else if (frame.type === 'note') addNote(into, into.urn, frame)
    else addFacts(into, into.urn, frame, warn)
    keepRoom()
  }

  function openIn(into: VolumeWriter, body: StreamBody): StoredStream | Promise<StoredStream> {
    const context = { volume: into, blockHashes, transmission, keepRoom, warn }
    const anew = () => openAnew(context, body)
    if (body.completes === undefined) return anew()
    if (!completion) throw elsewhere(output.name, body.completes[0]!)
    return completion.open(context, body, anew)
  }

  function openAnew(context: StreamContext, body: StreamBody): StoredStream {
    if (context.volume.dialect === PMEM2015) return openRekallStream(context, body)
    if ((logical || context.volume.minor === 1) && isOfFiles(body))
      return openLogicalStream({ ...context, blocks }, body)
    return openStoredStream(context, body)
  }

  async function close(state?: string): Promise<void> {
    const closing = open
    if (!closing) return
    if (closing.image) images.push(closing.image)
    try {
      await closing.end(state)
    } finally {
      // What a failed write has left half done is settled in the end.
      if (!sink.failed) open = undefined
    }
  }

  /** After a failed write: back to what is whole, in the room that was kept for it. */
  async function salvage(into: VolumeWriter, outcome: Outcome): Promise<void> {
    const lost = mergeRuns(await into.dropUnflushed())
    await output.truncate(into.intact)
    nameLost(into, whole(into), lost)
    if (open?.image && !images.includes(open.image)) images.push(open.image)
    open?.abandon(stateOf(outcome), lost)
  }

  /** Closes what is open, and writes the end. @returns what stopped the last stream, though all of it is written */
  async function complete(into: VolumeWriter, outcome: Outcome): Promise<unknown> {
    let failure: unknown
    const fail = (error: unknown) => {
      failure ??= error
      Object.assign(outcome, { status: 'failed', error: (error as Error).message })
    }
    if (!sink.failed) await close(stateOf(outcome)).catch(fail)
    sink.release()
    if (sink.failed && !output.seekable) return failure
    if (sink.failed) await salvage(into, outcome)
    // What the disk tells only now still gets into the label.
    else await output.sync().catch(fail)
    completion?.conclude(into, outcome)
    conclude(into, { outcome, images, started, whole: whole(into), appended: target.appends, timeless })
    await into.finish()
    return failure
  }

  /** What could not be finished is no part of a volume that was there before. */
  async function takeBack(): Promise<void> {
    try {
      if (await target.undo()) warn(`${output.name}: is again what it was before`)
    } catch (error) {
      warn(`${output.name}: could not be cut to what it was before, as which it is read: ${reasonOf(error)}`)
    }
  }

  return {
    async open({ body }) {
      if (completion) admitStream(output.space, body, true, log, completion.held(body))
      else if (completes === undefined) admitStream(output.space, body, volume !== undefined, log)
      const stream = await openIn(await begin(body), body)
      open = stream
      keepRoom()
      return {
        data: stream.takesRuns ? stream.data : singly(stream.data),
        fill: stream.fill,
        meta: stream.meta,
        note: stream.note,
        digest: (frame) => stream.digest(frame.body),
        close: (frame) =>
          close(frame.body.status === 'complete' ? undefined : (frame.body.error ?? frame.body.status)),
      }
    },
    transmission(frame) {
      if (frame.type === 'start') completes ??= frame.body.completes
      if (frame.type === 'end') {
        if (volume && transmission) volume.graph.add(transmission, pmem('status'), text(frame.body.status))
      } else if (volume) take(volume, frame)
      else waiting.push(frame)
    },
    async finish(outcome) {
      if (!volume) {
        await takeBack()
        return target.finish(outcome)
      }
      const failure = await complete(volume, outcome).catch(async (error) => {
        await takeBack()
        throw error
      })
      const kept = await target.finish(outcome)
      if (failure) throw failure
      return kept
    },
  }
}

/** Gives chunks that came together one by one. */
function singly(data: StoredStream['data']): StoredStream['data'] {
  async function each(frame: RunFrame): Promise<void> {
    for (const chunk of eachChunk(frame)) await data(chunk)
  }
  return (frame) => (isRun(frame) ? each(frame) : data(frame))
}

/** A memory or a disk is the same in either kind of volume. */
const isOfFiles = ({ kind, category }: StreamBody) => kind !== 'map' && category === undefined
