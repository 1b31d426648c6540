import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Contents, Held, Judge, Span } from './contents.js'
import type { Case } from './draw.js'
import type { Sink, Source } from './pipelines.js'
import type { Ended } from './run-work.js'

const run = promisify(execFile)

/** What an output should hold. */
type Evidence = Pick<Source, 'truth' | 'runs'>

export const SIGNALLED: Record<string, number> = { kill: 137, interrupt: 130, int: 130, term: 143, hup: 129 }
const HARMLESS = ['short', 'eintr', 'stall', 'clock']
/** A sink without END finishes so long after SIGTERM. */
const GRACE_SECONDS = 4

/** What is wrong with how a case ended; nothing is what is wanted. */
export async function complaintsOf(each: Case, ended: Ended, judge: Judge): Promise<string[]> {
  const complaints = complaintsOfProcesses(ended)
  ended.statuses.forEach((status, stage) => {
    const allowed = allowedStatuses(each, ended, stage)
    if (!allowed.includes(status))
      complaints.push(`stage ${stage}: status ${status}, not ${allowed.join(' or ')}`)
  })
  complaints.push(...(await complaintsOfOutput(each, ended, judge)))
  return complaints
}

/** What is wrong with any processes: they hang, leave something, or have a defect. */
export function complaintsOfProcesses({ hung, left, stderr, folder }: Ended): string[] {
  const complaints: string[] = []
  if (hung) complaints.push('hung')
  if (left.length > 0) complaints.push(`left behind: ${left.join('; ')}`)
  for (const [stage, text] of stderr.entries())
    if (/\n {4}at |internal error/.test(text)) complaints.push(`stage ${stage} has a defect: ${text}`)
  const temporary = fs.readdirSync(path.join(folder, 'tmp'))
  if (temporary.length > 0) complaints.push(`temporary files: ${temporary.join(', ')}`)
  return complaints
}

/** Exit statuses that tell the truth. */
function allowedStatuses({ pipeline, stage: at, fault }: Case, ended: Ended, stage: number): number[] {
  const last = pipeline.transforms.length + 1
  const fine = [0]
  const upstream = stage < at
  if (fault.type === 'leaves') return upstream ? [0, 141] : stage === at ? [0] : [0, 3]
  if (fault.type === 'full') return stage === last ? [0, 73, 74] : [0, 141]
  if (ended.struck === undefined && fault.plan.kind !== 'clock') return fine
  const { kind, calls, where } = fault.plan
  if (HARMLESS.includes(kind)) return fine
  const own = SIGNALLED[kind]
  if (own === undefined) {
    // An error of a device or a pipe.
    if (upstream) return [0, 141]
    if (stage > at) return at === 0 && calls === 'read' ? [0, 2, 3] : [3]
    return at === 0 && calls === 'read' ? [0, 2, 65, 66, 74] : where.startsWith('out.') ? [73, 74] : [74]
  }
  if (kind === 'kill') return stage === at ? [137] : upstream ? [0, 141] : [0, 3]
  // Who has not yet asked for signals dies of one, and leaves nothing.
  if (kind === 'interrupt')
    return stage === 0 ? [0, 130, 141] : stage === last ? [0, 3, 130] : [0, 3, 130, 141]
  const isLate = ended.seconds > GRACE_SECONDS
  if (at === 0) return stage === 0 ? [own, 0] : [0, 3]
  return kind === 'term' && isLate && stage >= at ? [0, 3] : stage < at ? [0, 141] : fine
}

async function complaintsOfOutput(each: Case, ended: Ended, judge: Judge): Promise<string[]> {
  const { pipeline, stage, fault } = each
  const { source, sink } = pipeline
  const last = pipeline.transforms.length + 1
  if (fault.type === 'leaves' && stage === last) return []
  const folder = path.join(ended.folder, fault.type === 'full' ? 'kept' : 'work')
  const partial = sink.out.replace('.', '.partial.')
  const files = fs.readdirSync(folder)
  const expected = [sink.out, partial].flatMap((name) => [name, `${name}.map`])
  const strange = files.filter((name) => !expected.includes(name))
  if (strange.length > 0) return [`strange files: ${strange.join(', ')}`]

  const complaints: string[] = []
  const status = ended.statuses[last]!
  const isFinal = files.includes(sink.out)
  if ((status === 0 || status === 2) !== isFinal && status !== 137 && status < 128)
    complaints.push(`status ${status}, and ${sink.out} is ${isFinal ? '' : 'not '}there`)
  if (isFinal) {
    if (files.includes(partial)) complaints.push(`both ${sink.out} and ${partial} are there`)
    complaints.push(
      ...(await complaintsOfWhole(path.join(folder, sink.out), source, sink, status === 2, judge)),
    )
  } else complaints.push(...(await complaintsOfPart(each, ended, path.join(folder, partial), judge)))
  return complaints
}

export async function complaintsOfWhole(
  file: string,
  source: Evidence,
  sink: Sink,
  isUnreadable: boolean,
  judge: Judge,
): Promise<string[]> {
  const held = await readOutput(file, source, sink, judge)
  if (typeof held === 'string') return [`${path.basename(file)}: ${held}`]
  const lost = within(held.lost, source.runs)
  const found = isUnreadable ? merged([...held.known, ...lost]) : held.known
  const complaints: string[] = []
  if (held.wrong !== null) complaints.push(`${sink.out}: wrong at 0x${held.wrong.toString(16)}`)
  if (isUnreadable === (lost.length === 0))
    complaints.push(`${sink.out}: ${show(lost)} is lost, says the status otherwise`)
  if (!covers(found, source.runs))
    complaints.push(`${sink.out}: holds ${show(found)} of ${show(source.runs)}`)
  return complaints
}

/** What reached the sink is in what it left; the label is the name, and the volume's own. */
async function complaintsOfPart(each: Case, ended: Ended, file: string, judge: Judge): Promise<string[]> {
  const { pipeline, stage, fault } = each
  const { source, sink } = pipeline
  const isSinkStruck = stage === pipeline.transforms.length + 1
  const frames = path.join(ended.folder, 'arrived')
  const limit = isSinkStruck && ended.struck !== undefined ? { limit: ended.struck } : {}
  const arrived = await judge.ask({ kind: 'frames', path: frames, truth: source.truth, ...limit })
  if (arrived.error) return [`what reached the sink: ${arrived.error}`]
  const came = only(arrived)
  if (came.wrong !== null) return [`what reached the sink is wrong at 0x${came.wrong.toString(16)}`]
  if (!fs.existsSync(file)) {
    const lost = sizeOf(came.known)
    const isDead = ended.statuses.at(-1) === SIGNALLED.interrupt
    return !isDead && lost > (isSinkStruck ? sink.lag : 0)
      ? [`${lost} bytes arrived, and nothing was kept`]
      : []
  }
  const held = await readOutput(file, source, sink, judge)
  if (typeof held === 'string')
    return sizeOf(came.known) <= (isSinkStruck ? sink.lag : 0) ? [] : [`${path.basename(file)}: ${held}`]
  if (held.wrong !== null) return [`${path.basename(file)}: wrong at 0x${held.wrong.toString(16)}`]
  if (isSinkStruck) {
    const missing = sizeOf(came.known) - sizeOf(held.known)
    return missing > sink.lag
      ? [`${missing} bytes of ${show(came.known)} arrived and are not in ${show(held.known)} (${fault.type})`]
      : []
  }
  return covers(held.known, came.known)
    ? []
    : [`holds ${show(held.known)} of ${show(came.known)} that arrived`]
}

const NOTHING: Held = { known: [], lost: [], wrong: null }
const only = (contents: Contents): Held => Object.values(contents.streams)[0] ?? NOTHING

/** What an output holds, or why it cannot be read. */
async function readOutput(file: string, source: Evidence, sink: Sink, judge: Judge): Promise<Held | string> {
  const isPartial = path.basename(file).includes('.partial.')
  let map = `${file}.map`
  let [kind, content] = [sink.kind, file]
  if (isPartial && kind === 'aff4' && !hasDirectory(file)) {
    content = `${file}.recovered.aff4`
    const { code, stderr } = await status('bin/aff4-recover', [file, content])
    if (code !== 0 && code !== 3) return `aff4-recover: ${code}: ${stderr}`
  }
  if (kind === 'image') {
    kind = 'raw'
    content = `${file}.raw`
    const script = 'image-cat --format "$1" "$2" | raw-sink --fill zero "$3"'
    const { code, stderr } = await status('bash', ['-c', script, 'bash', sink.format!, file, content])
    if (isPartial && fs.existsSync(content.replace(/\.raw$/, '.partial.raw')))
      content = content.replace(/\.raw$/, '.partial.raw')
    if (!fs.existsSync(content)) return `image-cat: ${code}: ${stderr}`
    map = `${content}.map`
  }
  const contents = await judge.ask({ kind: kind as 'raw', path: content, truth: source.truth })
  if (contents.error) return contents.error
  const held = only(contents)
  if (sink.kind === 'aff4' && contents.complete === isPartial)
    return `its label says ${contents.complete ? '' : 'in'}complete`
  if (!fs.existsSync(map))
    return sink.kind === 'image' ? { ...held, known: within(held.known, source.runs) } : held
  const told = only(await judge.ask({ kind: 'map', path: map, truth: source.truth }))
  const isTold = held.wrong === null || !covers(told.known, [[held.wrong, held.wrong + 1]])
  return { known: within(held.known, told.known), lost: told.lost, wrong: isTold ? null : held.wrong }
}

function hasDirectory(file: string): boolean {
  const bytes = fs.readFileSync(file)
  return bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1') >= 0
}

async function status(command: string, words: string[]): Promise<{ code: number; stderr: string }> {
  const env = { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` }
  try {
    const { stderr } = await run(command, words, { env })
    return { code: 0, stderr }
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string }
    return { code, stderr }
  }
}

function merged(spans: readonly Span[]): Span[] {
  const out: [number, number][] = []
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const before = out.at(-1)
    if (before && start <= before[1]) before[1] = Math.max(end, before[1])
    else out.push([start, end])
  }
  return out
}

const covers = (spans: readonly Span[], wanted: readonly Span[]): boolean =>
  sizeOf(within(merged(spans), wanted)) === sizeOf(wanted)

const sizeOf = (spans: readonly Span[]): number => spans.reduce((sum, [start, end]) => sum + end - start, 0)

function within(spans: readonly Span[], bounds: readonly Span[]): Span[] {
  return spans.flatMap(([start, end]) =>
    bounds.flatMap(([from, to]): Span[] =>
      Math.max(start, from) < Math.min(end, to) ? [[Math.max(start, from), Math.min(end, to)]] : [],
    ),
  )
}

const show = (spans: readonly Span[]): string =>
  spans.map(([start, end]) => `0x${start.toString(16)}-0x${end.toString(16)}`).join(', ') || 'nothing'
