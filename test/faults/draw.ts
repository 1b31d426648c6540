import path from 'node:path'
import { createRandom } from '../fuzz/mutate.js'
import { drawAddition, drawPipeline, isLarge, type Pipeline, type Source } from './pipelines.js'
import type { Plan } from './preload.js'
import type { Work } from './run-work.js'

/** What goes wrong: in the process itself, around it, or with its output's file system. */
export type Fault =
  | { type: 'planned'; plan: Plan }
  /** In place of the stage stands a reader that passes so many bytes on, and leaves. */
  | { type: 'leaves'; after: number }
  /** The file system of the output holds so many bytes. */
  | { type: 'full'; size: number }
  /** Links to a far host break off after so many bytes each, the first ones; `dies`: ssh is killed. */
  | { type: 'cut'; after: readonly number[]; dies: boolean; retries: number }

export interface Case {
  seed: number
  pipeline: Pipeline
  /** Its number in the pipeline, the source being 0. */
  stage: number
  fault: Fault
}

type Random = (below: number) => number
type Calls = Plan['calls']

const SIGNALS = ['kill', 'kill', 'interrupt', 'int', 'term', 'hup']
const EIO = 5
const ENOSPC = 28
/** Of those whose sink is struck one of so many has more evidence than the sink may lose. */
const LONG_EACH = 5
const HARMLESS = ['short', 'eintr', 'stall']
/** Bytes after which the first link has come so far that there is something to go on with. */
const LOGGED_IN = 100_000
const RETRIES = 5

/** Any point of so many bytes, the first and the last ones more often. */
function pointOf(size: number, random: Random): number {
  const kind = random(6)
  if (kind === 0) return random(4000)
  if (kind === 1) return Math.max(0, size - random(8000))
  return random(size)
}

const pick = <T>(list: readonly T[], random: Random): T => list[random(list.length)]!

/**
 * A pipeline and a fault of it, the same for the same seed.
 * @param adds it adds to a volume that is there
 */
export function drawCase(sources: readonly Source[], seed: number, adds: boolean): Case {
  const random = createRandom(seed * 2654435761 + 1)
  for (let warm = 0; warm < 5; warm++) random(2)
  const drawn = (adds ? drawAddition : drawPipeline)(sources, random)
  const last = drawn.transforms.length + 1
  if (drawn.source.link) return { seed, pipeline: drawn, stage: 0, fault: drawCuts(drawn.source, random) }
  const stage = random(3) === 0 ? last : random(last + 1)
  const large = sources.find((source) => isLarge(source) && drawn.sink.takes(source))
  const isLong = large && !adds && stage === last && random(LONG_EACH) === 0
  const pipeline = isLong ? { ...drawn, source: large } : drawn
  const { source, transforms, sink, given } = pipeline
  const selects = transforms[stage - 1]?.includes('--missing-from') ?? false
  const readsGiven = stage === last || selects
  const piped = given && readsGiven && random(4) === 0 ? given.name : 'in'
  const place = {
    reads: stage === 0 ? source.reads : piped,
    writes: stage === last ? (given?.name ?? sink.out.replace('.', '.partial.')) : 'out',
    size: source.size,
    ends: stage === last,
    // The disk is mounted in a user namespace, from where nobody may look into a process outside.
    fills: stage === last && source.kind !== 'process',
    // Without its choice a completion is refused.
    isPiped: stage > 0 && !selects,
  }
  return { seed, pipeline, stage, fault: drawFault(place, random) }
}

/** Where a process reads and writes. */
interface Place {
  /** `in`, `out`, or part of a path. */
  reads: string
  writes: string
  /** Bytes that pass, about. */
  size: number
  /** It writes files. */
  ends: boolean
  /** These may be on a disk that is full. */
  fills: boolean
  /** A reader may stand in its place, or behind it, and leave. */
  isPiped: boolean
}

export function drawFault({ reads, writes, size, ends, fills, isPiped }: Place, random: Random): Fault {
  const planned = (kind: string, calls: Calls, where: string, at: number, number = 0): Fault => ({
    type: 'planned',
    plan: { kind, calls, where, at, number },
  })
  const moving = (kind: string, number = 0) =>
    random(2) === 0
      ? planned(kind, 'read', reads, pointOf(size, random), number)
      : planned(kind, 'write', writes, pointOf(size, random), number)
  switch (random(ends ? 10 : 8)) {
    case 0:
    case 1:
    case 2:
      return moving(pick(SIGNALS, random))
    case 3:
      return moving(pick(HARMLESS, random), 300 + random(1500))
    case 4:
      return moving(String(EIO))
    case 5:
      return planned('clock', 'clock', '-', random(6), (random(2) ? 1 : -1) * (1 + random(10 ** 9)))
    case 6:
      return isPiped ? { type: 'leaves', after: pointOf(size, random) } : moving(String(EIO))
    case 7:
      return fills ? { type: 'full', size: 4096 * (1 + random(size >> 12)) } : moving(pick(SIGNALS, random))
    case 8: {
      const calls = pick(['sync', 'name', 'truncate'] as const, random)
      return planned(String(pick([EIO, ENOSPC], random)), calls, 'out.', random(2))
    }
    default:
      return planned(pick(SIGNALS, random), pick(['sync', 'name'], random), 'out.', random(2))
  }
}

/** One link in four gets no other one. */
function drawCuts({ size }: Source, random: Random): Fault {
  const retries = random(4) > 0 ? RETRIES : 0
  const after = Array.from({ length: retries && 1 + random(2) }, () => pointOf(size, random))
  return { type: 'cut', after: [LOGGED_IN + pointOf(size, random), ...after], dies: random(2) > 0, retries }
}

/** What a person reads of a case. */
function showCase({ seed, pipeline, stage, fault }: Case): string {
  const before = pipeline.given ? `${pipeline.given.from} is ${pipeline.given.name}: ` : ''
  const words = [pipeline.source.command, ...pipeline.transforms, pipeline.sink.words.join(' ')]
  return `seed ${seed}: ${before}${words.join(' | ')}; ${words[stage]}: ${showFault(fault)}`
}

export function showFault(fault: Fault): string {
  if (fault.type === 'planned') return Object.values(fault.plan).join(' ')
  if (fault.type === 'cut') {
    const how = fault.dies ? 'ssh is killed' : 'the link breaks off'
    return `${how} after ${fault.after.join(', ')} bytes, --retries ${fault.retries}`
  }
  return fault.type === 'full' ? `a file system of ${fault.size} bytes` : `leaves after ${fault.after} bytes`
}

/** The words of a source. @param folder of the case */
function wordsOf({ command, link }: Source, fault: Fault, folder: string): string[] {
  const words = command.split(' ')
  if (fault.type !== 'cut') return words
  const { after, dies, retries } = fault
  const connections = [...after.map((cutAfter) => ({ cutAfter, dies })), {}]
  const options = words.slice(0, words.indexOf('--'))
  return [...options, '--retries', String(retries), '--', ...link!.linkedBy(connections, folder)]
}

/** The processes of a case. @param evidence the folder of what the sources read */
export function workOf(each: Case, folder: string, evidence: string): Work {
  const { pipeline, stage, fault } = each
  const { given } = pipeline
  const words = [
    wordsOf(pipeline.source, fault, folder),
    ...pipeline.transforms.map((transform) => transform.split(' ')),
    // It is to meet the full disk, not to foresee it.
    [
      ...pipeline.sink.words,
      ...(fault.type === 'full' && pipeline.sink.words[0] !== 'pmem-tee' ? ['--ignore-space'] : []),
    ],
  ]
  const stages = words.map((list, index) => ({ words: list, folder: index === 0 ? evidence : '.' }))
  const files = given ? { [given.name]: path.join(evidence, given.from) } : {}
  return { title: showCase(each), stages, stage, fault, files, keepsArrived: true }
}
