import { type Outcome, type Output, openOutput } from '../cli/output.js'
import type { Context, Tool } from '../cli/tool.js'
import { VERSION } from '../cli/version.js'
import {
  aff4,
  DIGESTS,
  dateTime,
  digestLiteral,
  iri,
  long,
  pmem,
  RDF_TYPE,
  text,
} from '../formats/aff4/lexicon.js'
import { freshUrn } from '../formats/aff4/names.js'
import { createVolume, type VolumeWriter } from '../formats/aff4/writer.js'
import type { ByteSink } from '../formats/byte-source.js'
import type {
  DataFrame,
  DigestBody,
  DigestFrame,
  EndFrame,
  FillFrame,
  MetaFrame,
  NoteFrame,
  StartFrame,
  StreamBody,
  StreamFrame,
} from '../frames/frame.js'
import { type DiskReserve, openDiskReserve } from './aff4/disk-reserve.js'
import { type Evidence, openEvidence } from './aff4/evidence.js'
import { informationYaml } from './aff4/information-yaml.js'
import { addFacts, addNote, describeTransmission } from './aff4/provenance.js'
import { openSmallFile } from './aff4/small-file.js'
import { type Receiver, receive, type StreamReceiver } from './receive.js'

/** aff4-sink: every stream that comes, into one AFF4 Standard v1.0 volume. */
export const tool: Tool = {
  name: 'aff4-sink',
  role: 'sink',
  usage: 'OUT.aff4',
  summary: 'write an AFF4 volume',
  options: { 'block-hashes': { help: 'store a SHA-256 of each chunk as well' } },
  operands: [1, 1],
  run(context) {
    const output = openOutput(context.operands[0]!, context.options.flag('truncate'))
    return receive(context, createReceiver(output, context))
  },
}

function createReceiver(output: Output, { options, log }: Pick<Context, 'options' | 'log'>): Receiver {
  const blockHashes = options.flag('block-hashes') ? (['sha256'] as const) : []
  const reserve: DiskReserve | undefined = output.seekable ? openDiskReserve(output.path) : undefined
  let volume: VolumeWriter | undefined
  /** Frames about the whole that came before there was a volume. */
  let waiting: (StartFrame | MetaFrame | NoteFrame)[] = []
  let transmission: string | undefined
  let open: OpenStream | undefined
  let writeFailed = false
  const images: { urn: string; kind: string }[] = []

  const sink: ByteSink = {
    name: output.name,
    get position() {
      return output.position
    },
    async write(...pieces) {
      try {
        await output.write(...pieces)
      } catch (error) {
        writeFailed = true
        throw error
      }
    },
  }

  function keepRoom(): void {
    if (volume) reserve?.hold(volume.finishBytes)
  }

  async function begin(): Promise<VolumeWriter> {
    if (volume) return volume
    volume = await createVolume(sink, { tool: `pmem ${VERSION}` })
    for (const frame of waiting) take(volume, frame)
    waiting = []
    keepRoom()
    return volume
  }

  function take(into: VolumeWriter, frame: StartFrame | MetaFrame | NoteFrame): void {
    if (frame.type === 'start') transmission = describeTransmission(into, frame.body)
    else if (frame.type === 'note') addNote(into, into.urn, frame)
    else facts(into, into.urn, frame)
  }

  function facts(into: VolumeWriter, urn: string, frame: MetaFrame): void {
    try {
      addFacts(into, urn, frame)
    } catch (error) {
      // Facts that can't be read are no reason to lose the evidence: they are kept as they came.
      log.warn(`META of ${urn}: ${(error as Error).message}`)
      into.graph.add(urn, pmem('unreadableFacts'), text(frame.turtle))
    }
  }

  async function openStream(frame: StreamFrame): Promise<OpenStream> {
    const into = await begin()
    const stream = createStream(into, frame.body)
    open = stream
    return stream
  }

  interface OpenStream extends StreamReceiver {
    end(complete: boolean): Promise<void>
  }

  function createStream(into: VolumeWriter, body: StreamBody): OpenStream {
    const about: (MetaFrame | NoteFrame)[] = []
    const digests: DigestBody[] = []
    let small = openSmallFile(into, body)
    let evidence: Evidence | undefined
    const hasBytes = body.kind === 'map' || body.kind === 'image'

    function asEvidence(): Evidence {
      if (!evidence) {
        evidence = openEvidence(into, body, blockHashes, keepRoom)
        // Said at once, for whoever has to read a volume that was cut.
        into.graph.add(evidence.urn, aff4('originalFileName'), text(body.name))
      }
      return evidence
    }

    function bytes(frame: DataFrame | FillFrame): void | Promise<void> {
      if (small) {
        if (small.take(frame)) return
        const { pieces } = small
        small = undefined
        return pour([...pieces, frame])
      }
      return frame.type === 'data' ? asEvidence().data(frame) : asEvidence().fill(frame)
    }

    async function pour(frames: readonly (DataFrame | FillFrame)[]): Promise<void> {
      for (const frame of frames) await bytes(frame)
    }

    /** Everything that is said about the stream, once it is known what it has become. */
    function describe(urn: string, holder: string, complete: boolean): void {
      const { graph } = into
      graph.add(urn, aff4('originalFileName'), text(body.name))
      if (body.nameBytes !== undefined) graph.add(urn, pmem('nameBytes'), text(body.nameBytes))
      if (body.category !== undefined)
        for (const object of new Set([urn, holder]))
          graph.add(object, aff4('category'), iri(aff4(body.category.replace(':', '/'))))
      if (transmission !== undefined) graph.add(urn, pmem('transmission'), iri(transmission))
      if (!complete) graph.add(urn, pmem('incomplete'), text('true'))
      for (const frame of about) {
        if (frame.type === 'meta') facts(into, urn, frame)
        else addNote(into, urn, frame)
      }
      for (const { algorithm, value, covers } of complete ? digests : []) {
        const known = Object.values(DIGESTS).find(({ node }) => node === algorithm)
        if (covers === 'linear' && known)
          graph.add(holder, aff4('hash'), digestLiteral(known.datatype, value))
        else graph.add(holder, pmem('rangesHash'), digestLiteral(known?.datatype ?? algorithm, value))
      }
    }

    function describeProperties(urn: string): void {
      for (const [key, value] of Object.entries(body.properties ?? {}))
        into.graph.add(urn, pmem(key), text(typeof value === 'string' ? value : JSON.stringify(value)))
    }

    async function end(complete: boolean): Promise<void> {
      open = undefined
      if (!hasBytes) {
        const urn = freshUrn()
        into.declare(urn)
        into.graph.add(urn, RDF_TYPE, iri(body.kind === 'folder' ? aff4('Folder') : pmem('SymbolicLink')))
        describe(urn, urn, complete)
        describeProperties(urn)
      } else if (small) {
        const urn = await small.write()
        into.declare(urn, 'FileImage', 'ZipSegment')
        const size = small.pieces.reduce((sum, { length }) => sum + length, 0n)
        into.graph.add(urn, aff4('size'), long(size))
        describe(urn, urn, complete)
        describeProperties(urn)
      } else await endEvidence(asEvidence(), complete)
      keepRoom()
    }

    async function endEvidence({ urn, map, close }: Evidence, complete: boolean): Promise<void> {
      const runs = map.runs()
      await close(complete)
      const memory = body.category?.startsWith('memory:') === true
      const disk = body.category?.startsWith('disk:') === true
      const shape = body.kind === 'map' ? 'DiscontiguousImage' : 'ContiguousImage'
      into.declare(urn, ...(memory ? ['MemoryImage', shape] : disk ? ['DiskImage', shape] : ['FileImage']))
      images.push({ urn, kind: memory ? 'memory' : disk ? 'disk' : body.kind })
      describe(urn, map.urn, complete)
      describeProperties(urn)
      if (body.category === 'memory:physical') {
        const yaml = informationYaml(into.graph, urn, runs)
        await into.segment(`${map.urn}/information.yaml`, Buffer.from(yaml, 'utf8'))
      }
    }

    return {
      data: bytes,
      fill: bytes,
      meta: (frame: MetaFrame) => void about.push({ ...frame }),
      note: (frame: NoteFrame) => void about.push(frame),
      digest: (frame: DigestFrame) => void digests.push(frame.body),
      close: (frame) => end(frame.body.status === 'complete'),
      end,
    }
  }

  /** Readers open any of several aff4:Images: only one is called that, a memory before a disk before a file. */
  function nameTheImage(into: VolumeWriter): string | undefined {
    const order = ['memory', 'map', 'disk', 'image']
    const [first] = images.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
    if (first) into.graph.add(first.urn, RDF_TYPE, iri(aff4('Image')))
    return first?.urn
  }

  function label(into: VolumeWriter, outcome: Outcome): void {
    const { graph } = into
    const image = nameTheImage(into)
    const state =
      outcome.status === 'complete' ? 'Completed Normally' : `Incomplete: ${outcome.error ?? outcome.status}`
    graph.add(image ?? into.urn, aff4('acquisitionCompletionState'), text(state))
    graph.add(into.urn, pmem('status'), text(outcome.status))
    const times = freshUrn()
    into.declare(times, 'TimeStamps')
    graph.add(times, aff4('operation'), text('CAPTURE'))
    graph.add(times, aff4('timeSource'), text('SINK'))
    graph.add(times, aff4('endTime'), dateTime(new Date()))
    graph.add(times, aff4('target'), iri(image ?? into.urn))
  }

  /** After a failed write: back to what is whole, in the room that was kept for it. */
  async function salvage(into: VolumeWriter): Promise<void> {
    reserve?.release()
    writeFailed = false
    await output.truncate(into.intact)
    for (const { start, length } of into.dropUnflushed())
      into.graph.add(into.urn, pmem('lostRange'), text(`0x${start.toString(16)}+0x${length.toString(16)}`))
  }

  return {
    open: openStream,
    transmission(frame: StartFrame | MetaFrame | NoteFrame | EndFrame) {
      if (frame.type === 'end') return
      if (volume) take(volume, frame)
      else waiting.push(frame)
    },
    async finish(outcome) {
      if (!volume) return undefined
      let failure: unknown
      if (!writeFailed)
        try {
          await open?.end(false)
        } catch (error) {
          failure = error
          Object.assign(outcome, { status: 'failed', error: (error as Error).message })
        }
      if (writeFailed && !output.seekable) return output.finish(outcome)
      if (writeFailed) await salvage(volume)
      else reserve?.release()
      label(volume, outcome)
      await volume.finish()
      const kept = await output.finish(outcome)
      if (failure) throw failure
      return kept
    },
  }
}
