import { EXIT, ToolError } from '../../cli/exit.js'
import { appendRun, firstIndex, type Run, subtractRuns, uniteRuns } from '../../formats/address-space.js'
import type { Holding } from '../../formats/aff4/holdings.js'
import { aff4, dateTime, iri, pmem, RDF_TYPE, STRUCTURAL, text } from '../../formats/aff4/lexicon.js'
import { MAP_ENTRY_SIZE, symbolicContent } from '../../formats/aff4/map.js'
import { loadMap } from '../../formats/aff4/map-reader.js'
import type { Statement } from '../../formats/aff4/turtle.js'
import type { Volume } from '../../formats/aff4/volume.js'
import { max, min } from '../../formats/min-max.js'
import { formatAddress } from '../../frames/address.js'
import type { DataFrame, FillFrame, StreamBody } from '../../frames/frame.js'
import { openEvidence } from './evidence.js'
import { informationYaml } from './information-yaml.js'
import { addFacts, addNote, addState } from './provenance.js'
import type { StoredStream, StreamContext } from './stored-stream.js'

/** Ranges of a part that are named; its map says the same in full. */
const MOST_NAMED = 1000
/** What is said of the parts, besides the facts that come. */
const PARTS_BYTES = 2 * (MOST_NAMED + 16) * 128
const FRAMES_BETWEEN = 4096

/** An image of the volume of which only some ranges came, and what was said of its map. */
export interface Grown {
  readonly earlier: Volume
  readonly holding: Holding
  readonly aboutMap: readonly Statement[]
}

/**
 * The rest of an image that is there: the image gets another map, over what it had and what comes. What was acquired
 * when is said part by part.
 */
export async function openGrownStream(
  context: StreamContext,
  body: StreamBody,
  { earlier, holding, aboutMap }: Grown,
): Promise<StoredStream> {
  const { volume, keepRoom } = context
  const { graph } = volume
  const { urn, held } = holding
  const evidence = openEvidence(volume, body, context.blockHashes, () => watch(), { image: urn })
  const { map } = evidence
  const first = graph.all(urn, pmem('part')).length === 0
  const part = `${urn}#part${first ? 1 : graph.all(urn, pmem('part')).length}`
  const came: { start: bigint; length: bigint }[] = []
  const unknown: { start: bigint; length: bigint }[] = []
  /** What of `came` is in the volume. */
  let stored: readonly Run[] = []
  let begin = 0n
  let end = 0n
  let partBytes = PARTS_BYTES
  let frames = 0
  let concluded = false
  let told = false

  // A volume that was cut is put together by what it says of itself.
  graph.add(holding.map!, pmem('replacedBy'), iri(map.urn))
  for (const { predicate, object } of aboutMap)
    if (!STRUCTURAL.has(predicate) && predicate !== RDF_TYPE) graph.add(map.urn, predicate, object)
  if (context.transmission !== undefined) graph.add(urn, pmem('transmission'), iri(context.transmission))
  if (first) describeFirstPart()
  const { entries, targets, gap } = await loadMap(earlier, holding.map!)
  for (const stream of targets)
    if (symbolicContent(stream) === undefined) {
      graph.add(map.urn, aff4('dependentStream'), iri(stream))
      graph.add(stream, aff4('target'), iri(map.urn))
    }
  for (let index = 0; index < entries.count; index++) {
    const { offset, length, targetOffset, targetId } = entries.at(index)
    const target = targets[targetId]!
    if (!isIn(held, offset)) continue
    map.add({ offset, length, targetOffset, target })
  }
  if (gap !== 'zero') map.cover(held, gap)
  watch()

  /** What the volume had before. */
  function describeFirstPart(): void {
    const urnOfPart = `${urn}#part0`
    const times = [...earlier.graph.subjects()].find(
      (subject) =>
        earlier.graph.isA(subject, aff4('TimeStamps')) &&
        earlier.graph.value(subject, aff4('target')) === urn,
    )
    for (const term of ['startTime', 'endTime'])
      for (const value of times === undefined ? [] : earlier.graph.all(times, aff4(term)))
        graph.add(urnOfPart, aff4(term), value)
    const transmission = earlier.graph.value(urn, pmem('transmission'))
    describePart(urnOfPart, held, transmission)
  }

  function describePart(urnOfPart: string, runs: readonly Run[], transmission: string | undefined): void {
    graph.add(urn, pmem('part'), iri(urnOfPart))
    graph.add(urnOfPart, RDF_TYPE, iri(pmem('Part')))
    if (transmission !== undefined) graph.add(urnOfPart, pmem('transmission'), iri(transmission))
    for (const { start, length } of runs.slice(0, MOST_NAMED))
      graph.add(urnOfPart, pmem('range'), text(`${formatAddress(start)}+${formatAddress(length)}`))
  }

  /** A base loses its fragment: `<>` would be the image. */
  const ofPart = (statement: Statement): Statement =>
    statement.subject === urn ? { ...statement, subject: part } : statement

  function watch(): void {
    frames = 0
    keepRoom(partBytes + evidence.settleBytes + 2 * MAP_ENTRY_SIZE * unknown.length)
  }

  function take(frame: DataFrame | FillFrame): void | Promise<void> {
    if (++frames === FRAMES_BETWEEN) watch()
    const { offset, length } = frame
    if (frame.type === 'fill' && frame.fill === 'unknown') return appendRun(unknown, offset, length)
    refuseTwice(offset, length)
    appendRun(came, offset, length)
    if (frame.time > 0n) {
      begin = begin === 0n ? frame.time : min(begin, frame.time)
      end = max(end, frame.time)
    }
    return frame.type === 'data' ? evidence.data(frame) : evidence.fill(frame)
  }

  function refuseTwice(offset: bigint, length: bigint): void {
    const next = held[firstIndex(held.length, (index) => held[index]!.start + held[index]!.length > offset)]
    if (next && next.start < offset + length)
      throw new ToolError(
        EXIT.data,
        `${body.name}: ${formatAddress(max(offset, next.start))} is in the volume already`,
      )
  }

  function settle(complete: boolean, lost: readonly Run[] = []): Run[] {
    // What a failed write has cost is not in the map any more.
    const all = uniteRuns(came)
    stored = [...subtractRuns(all, [...subtractRuns(all, map.runs())])]
    map.cover(uniteRuns(unknown), 'unknown')
    // What was to come before, and is not even announced any more, is no hole.
    map.cover(holding.announced, 'unknown')
    return evidence.settle(complete, lost)
  }

  function conclude(state: string | undefined): void {
    concluded = true
    // With what was said of it, or the next one would be said to be both.
    if (stored.length > 0 || told) {
      describePart(part, stored, context.transmission)
      if (stored.length > 0 && end > 0n) {
        graph.add(part, aff4('startTime'), dateTime(dateOf(begin)))
        graph.add(part, aff4('endTime'), dateTime(dateOf(end)))
      }
    }
    addState(volume, urn, state)
  }

  return {
    data: take,
    fill: take,
    meta(frame) {
      partBytes += 2 * Buffer.byteLength(JSON.stringify(frame.turtle), 'utf8')
      addFacts(volume, urn, frame, context.warn, ofPart)
      told = true
      watch()
    },
    note(frame) {
      addNote(volume, urn, frame)
      watch()
    },
    // They are of what came now, with the texts of unknown ranges for what was there.
    digest() {},
    async end(state) {
      const [twice] = settle(state === undefined)
      const overlap = twice && `a range came twice at ${formatAddress(twice.start)}`
      const runs = map.runs()
      watch()
      await evidence.close()
      conclude(overlap ?? state)
      if (body.category === 'memory:physical') {
        const yaml = informationYaml(graph, urn, runs)
        await volume.segment(`${map.urn}/information.yaml`, Buffer.from(yaml, 'utf8'))
      }
      if (overlap) throw new ToolError(EXIT.data, `${body.name}: ${overlap}`)
    },
    abandon(state, lost) {
      if (concluded) return
      settle(false, lost)
      conclude(state)
    },
    image: { urn, rank: 0 },
  }
}

function isIn(runs: readonly Run[], address: bigint): boolean {
  const run = runs[firstIndex(runs.length, (index) => runs[index]!.start + runs[index]!.length > address)]
  return run !== undefined && run.start <= address
}

const dateOf = (nanoseconds: bigint) => new Date(Number(nanoseconds / 1_000_000n))
