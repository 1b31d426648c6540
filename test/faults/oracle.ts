import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Asked, Contents, Held, Judge, Span } from './contents.js'
import type { Case, Fault } from './draw.js'
import type { Given, Sink, Source } from './pipelines.js'
import type { Ended } from './run-work.js'

const run = promisify(execFile)

/** What an output should hold. */
type Evidence = Pick<Source, 'truth' | 'runs'>

export const SIGNALLED: Record<string, number> = { kill: 137, interrupt: 130, int: 130, term: 143, hup: 129 }
export const HARMLESS = ['short', 'eintr', 'stall', 'clock']
/** What waits in the pipe and in the sink is so much more where it is compressed. */
const COMPRESSED_AHEAD = 4 << 20
/** A sink without END finishes so long after SIGTERM. */
const GRACE_SECONDS = 4

/** What is wrong with how a case ended; nothing is what is wanted. @param evidence the folder of what the sources read */
export async function complaintsOf(
  each: Case,
  ended: Ended,
  evidence: string,
  judge: Judge,
): Promise<string[]> {
  const complaints = complaintsOfProcesses(ended)
  ended.statuses.forEach((status, stage) => {
    const allowed = allowedStatuses(each, ended, stage)
    if (!allowed.includes(status))
      complaints.push(`stage ${stage}: status ${status}, not ${allowed.join(' or ')}`)
  })
  complaints.push(
    ...(each.pipeline.given
      ? await complaintsOfAddition(each, each.pipeline.given, ended, evidence, judge)
      : await complaintsOfOutput(each, ended, judge)),
  )
  if (each.fault.type === 'cut') complaints.push(...(await complaintsOfLinks(each, ended, judge)))
  return complaints
}

/** What is wrong with any processes: they hang, leave something, or have a defect. */
export function complaintsOfProcesses({ hung, left, stderr, folder, statuses }: Ended): string[] {
  const complaints: string[] = []
  if (hung) complaints.push('hung')
  if (left.length > 0) complaints.push(`left behind: ${left.join('; ')}`)
  for (const [stage, text] of stderr.entries())
    if (/\n {4}at |internal error/.test(text)) complaints.push(`stage ${stage} has a defect: ${text}`)
  const temporary = fs.readdirSync(path.join(folder, 'tmp')).filter((name) => !isOfKilled(name, statuses))
  if (temporary.length > 0) complaints.push(`temporary files: ${temporary.join(', ')}`)
  return complaints
}

/** Who is killed can't unload a driver. */
const isOfKilled = (name: string, statuses: readonly number[]) =>
  statuses[0] === SIGNALLED.kill && /^(?:pmem-driver-|winpmem-is-loaded$)/.test(name)

/** Exit statuses that tell the truth. */
function allowedStatuses({ pipeline, stage: at, fault }: Case, ended: Ended, stage: number): number[] {
  const last = pipeline.transforms.length + 1
  const fine = [0]
  const upstream = stage < at
  if (fault.type === 'leaves') return upstream ? [0, 141] : stage === at ? [0] : [0, 3]
  if (fault.type === 'full') return stage === last ? [0, 73, 74] : [0, 141]
  if (fault.type === 'cut') return fault.retries > 0 ? [0] : stage === 0 ? [0, 74] : [0, 3]
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

/** That a link was made anew stands in what is sent and in a volume, with both times; that it was not, in the message. */
async function complaintsOfLinks(
  { pipeline: { source, sink } }: Case,
  { folder, stderr, statuses }: Ended,
  judge: Judge,
): Promise<string[]> {
  if (statuses[0] !== 0)
    return /^pmem-read-ssh: far: the link broke off: .*; --retries is 0$/m.test(stderr[0]!)
      ? []
      : ['it does not say that the link broke off']
  const links = fs.statSync(path.join(folder, 'links')).size
  const told = async (kind: Asked['kind'], file: string) =>
    (await judge.ask({ kind, path: file, truth: source.truth })).resumed.sort()
  const sent = await told('frames', path.join(folder, 'arrived'))
  const strange = sent.filter((text) => !/^(?:address=0x[0-9a-f]+ )?lost=\S+Z resumed=\S+Z$/.test(text))
  const complaints = strange.map((text) => `told of a link: ${text}`)
  if (sent.length > links - 1 || (links > 1 && sent.length === 0))
    complaints.push(`${links} links, and ${sent.length} of them told of`)
  const volume = path.join(folder, 'work', sink.out)
  if (sink.kind === 'aff4' && fs.existsSync(volume)) {
    const kept = await told('aff4', volume)
    if (kept.join() !== sent.join()) complaints.push(`told of links: ${sent}; kept: ${kept}`)
  }
  return complaints
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
  // Of files each is named when it is whole itself.
  const isNamed = isFinal && sink.words[0] !== 'files-sink'
  const isDone = status === 0 || status === 2
  if ((isDone ? !isFinal : isNamed) && status < 128)
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
  const { held, files, complete } = await readOutput(file, source, sink, judge)
  if (typeof held === 'string') return [`${path.basename(file)}: ${held}`]
  const lost = within(held.lost, source.runs)
  const found = isUnreadable ? merged([...held.known, ...lost]) : held.known
  const complaints: string[] = []
  if (complete === false && !isUnreadable) complaints.push(`${sink.out}: its label says incomplete`)
  if (held.wrong !== null) complaints.push(`${sink.out}: wrong at 0x${held.wrong.toString(16)}`)
  if (isUnreadable === (lost.length === 0))
    complaints.push(`${sink.out}: ${show(lost)} is lost, says the status otherwise`)
  if (!covers(found, source.runs))
    complaints.push(`${sink.out}: holds ${show(found)} of ${show(source.runs)}`)
  if (sink.takesFiles)
    for (const [name, truth] of Object.entries(source.truth).slice(1))
      if (files[name]?.wrong !== null || !covers(files[name].known, [[0, fs.statSync(truth).size]]))
        complaints.push(`${sink.out}: ${name} is not what it should be`)
  return complaints
}

/** Strikes when all is written, but for the name that says so. */
export const isOfEnd = (fault: Fault): boolean =>
  fault.type === 'planned' && (fault.plan.calls === 'sync' || fault.plan.calls === 'name')

/** What reached the sink is in what it left; the label is the name, and the volume's own. */
async function complaintsOfPart(each: Case, ended: Ended, file: string, judge: Judge): Promise<string[]> {
  const { pipeline, stage, fault } = each
  const { source, sink } = pipeline
  const isSinkStruck = stage === pipeline.transforms.length + 1
  const lag = isSinkStruck ? lagOf(each) : 0
  const frames = path.join(ended.folder, 'arrived')
  const limit = isSinkStruck && ended.struck !== undefined ? { limit: ended.struck } : {}
  const arrived = await judge.ask({ kind: 'frames', path: frames, truth: source.truth, ...limit })
  if (arrived.error) return [`what reached the sink: ${arrived.error}`]
  const came = mainOf(arrived, source)
  if (came.wrong !== null) return [`what reached the sink is wrong at 0x${came.wrong.toString(16)}`]
  if (!fs.existsSync(file)) {
    const lost = sizeOf(came.known)
    const isDead = ended.statuses.at(-1) === SIGNALLED.interrupt
    return !isDead && lost > lag ? [`${lost} bytes arrived, and nothing was kept`] : []
  }
  const { held, files, complete } = await readOutput(file, source, sink, judge)
  if (complete && sink.kind === 'aff4')
    return isSinkStruck && isOfEnd(fault)
      ? complaintsOfWhole(file, source, sink, false, judge)
      : [`${path.basename(file)}: its label says complete`]
  if (typeof held === 'string') return sizeOf(came.known) <= lag ? [] : [`${path.basename(file)}: ${held}`]
  if (held.wrong !== null) return [`${path.basename(file)}: wrong at 0x${held.wrong.toString(16)}`]
  if (isSinkStruck) {
    const all = sizeOf(came.known)
    // What came when it had failed is counted, too: of what came before, no more fitted.
    const reached = sink.shares && fault.type === 'full' ? Math.min(all, fault.size) : all
    const missing = reached - sizeOf(held.known)
    return missing > lag
      ? [`${missing} bytes of ${show(came.known)} arrived and are not in ${show(held.known)} (${fault.type})`]
      : []
  }
  const complaints = covers(held.known, came.known)
    ? []
    : [`holds ${show(held.known)} of ${show(came.known)} that arrived`]
  if (sink.takesFiles)
    for (const name of Object.keys(source.truth).slice(1)) {
      const { known, wrong } = files[name] ?? NOTHING
      if (wrong !== null || !covers(known, arrived.streams[name]?.known ?? []))
        complaints.push(`${path.basename(file)}: ${name} is not what arrived`)
    }
  return complaints
}

/** What was there is there, and with it all that came; a completion can be gone on with. */
async function complaintsOfAddition(
  each: Case,
  given: Given,
  ended: Ended,
  evidence: string,
  judge: Judge,
): Promise<string[]> {
  const { pipeline, stage, fault } = each
  const { source, sink } = pipeline
  const isSinkStruck = stage === pipeline.transforms.length + 1
  if (fault.type === 'leaves' && isSinkStruck) return []
  const folder = path.join(ended.folder, fault.type === 'full' ? 'kept' : 'work')
  const files = fs.readdirSync(folder)
  const [name = '', ...others] = files.filter((file) => !file.endsWith('.append'))
  if (others.length > 0 || ![sink.out, given.name].includes(name)) return [`files: ${files.join(', ')}`]
  const file = path.join(folder, name)
  const isGuarded = files.length > 1
  if (isGuarded && !isSinkStruck) return [`${name}.append is left`]

  const before = path.join(evidence, given.from)
  const old = fs.readFileSync(before)
  if (!fs.readFileSync(file).subarray(0, old.length).equals(old)) return ['what was there has changed']
  const status = ended.statuses.at(-1)!
  const isWhole = status === 0 || status === 2
  if (given.completes && isWhole !== (name === sink.out) && status < 128)
    return [`status ${status}, and it is called ${name}`]

  const truth = { ...given.truth, ...source.truth }
  const added = Object.keys(source.truth)[0]!
  const read = async (kind: 'aff4' | 'frames', where: string, limit: object = {}) => {
    const { error, complete, streams } = await judge.ask({ kind, path: where, truth, ...limit })
    return { error, complete, old: Object.values(streams ?? {}), held: streams?.[added] ?? NOTHING }
  }
  const had = given.completes ? (await read('aff4', before)).held.known : []
  const limit = isSinkStruck && ended.struck !== undefined ? { limit: ended.struck } : {}
  const came = merged([
    ...had,
    ...(await read('frames', path.join(ended.folder, 'arrived'), limit)).held.known,
  ])
  const complaints: string[] = []
  /** All is in it, and says so. */
  let lacksName = false
  const judgeVolume = async (where: string, lag: number) => {
    const { error, held, old } = await read('aff4', where)
    if (error) complaints.push(`${path.basename(where)}: ${error}`)
    for (const { wrong } of old) if (wrong !== null) complaints.push(`wrong at 0x${wrong.toString(16)}`)
    if (
      !given.completes &&
      !old.some(({ known }) => sizeOf(known) === fs.statSync(Object.values(given.truth)[0]!).size)
    )
      complaints.push('what was there is not whole any more')
    const missing = sizeOf(came) - sizeOf(held.known)
    if (missing > lag) complaints.push(`${missing} bytes of ${show(came)} are not in ${show(held.known)}`)
    return held
  }
  if (isGuarded) {
    const again = path.join(ended.folder, 'again.aff4')
    const { code, stderr } = await runTool('bin/aff4-recover', [file, again])
    if (code === 0 || code === 3) await judgeVolume(again, lagOf(each))
    else complaints.push(`aff4-recover: ${code}: ${stderr}`)
    const undone = await runTool('bin/aff4-recover', ['--undo', file])
    if (undone.code !== 0) complaints.push(`aff4-recover --undo: ${undone.code}: ${undone.stderr}`)
    if (!fs.readFileSync(file).equals(old)) complaints.push('what was undone is not what was there')
  } else if (isSinkStruck && !isGraceful(fault) && fs.readFileSync(file).equals(old)) {
    // Its end did not fit any more: it is again what it was.
  } else {
    const held = await judgeVolume(file, isSinkStruck ? lagOf(each) : 0)
    const { complete } = await read('aff4', file)
    const isOld = fs.readFileSync(file).equals(old)
    lacksName = complete === true && !isOld && isSinkStruck && isOfEnd(fault)
    if (complete !== isWhole && !lacksName && status !== 2 && status < 128 && !isOld)
      complaints.push(`status ${status}, and its label says ${complete ? '' : 'in'}complete`)
    if ((isWhole || lacksName) && !covers([...held.known, ...(status === 2 ? held.lost : [])], source.runs))
      complaints.push(`status ${status}, and it holds ${show(held.known)} of ${show(source.runs)}`)
  }
  if (given.completes && name !== sink.out && !lacksName && complaints.length === 0) {
    const script = `cd "$1"; TMPDIR="$4" ${source.command} | pmem-select --missing-from "$2" | aff4-sink "$3"`
    const { code, stderr } = await runTool('bash', [
      '-c',
      script,
      'bash',
      evidence,
      file,
      path.join(folder, sink.out),
      path.join(ended.folder, 'tmp'),
    ])
    if (code !== 0) complaints.push(`completed again: ${code}: ${stderr}`)
    else {
      const { held, complete } = await read('aff4', path.join(folder, sink.out))
      if (!complete || held.wrong !== null || !covers(held.known, source.runs))
        complaints.push(`completed again it holds ${show(held.known)} of ${show(source.runs)}`)
    }
  }
  return complaints
}

/** A sink that is only told to end loses nothing. */
export const isGraceful = (fault: Fault): boolean =>
  fault.type === 'planned' && ['int', 'term', 'hup', 'interrupt'].includes(fault.plan.kind)

/** Bytes that came to a sink that was struck, and may be lost. */
function lagOf({ pipeline, fault }: Case): number {
  if (isGraceful(fault)) return 0
  const isCompressed = pipeline.transforms.some((words) => words.startsWith('pmem-compress'))
  return pipeline.sink.lag + (isCompressed ? COMPRESSED_AHEAD : 0)
}

const NOTHING: Held = { known: [], lost: [], wrong: null }
const mainOf = ({ streams }: Contents, { truth }: Evidence): Held =>
  streams[Object.keys(truth)[0]!] ?? NOTHING

interface Read {
  /** Of the first stream; or why nothing can be read. */
  held: Held | string
  /** All streams, where the format has several. */
  files: Readonly<Record<string, Held>>
  /** What its label says, where it has one. */
  complete?: boolean | null
}

/** What an output holds. */
export async function readOutput(file: string, source: Evidence, sink: Sink, judge: Judge): Promise<Read> {
  const isPartial = path.basename(file).includes('.partial.')
  let map = `${file}.map`
  let [kind, content] = [sink.kind, file]
  if (isPartial && kind === 'aff4' && !hasDirectory(file)) {
    content = `${file}.recovered.aff4`
    const { code, stderr } = await runTool('bin/aff4-recover', [file, content])
    if (code !== 0 && code !== 3) return { held: `aff4-recover: ${code}: ${stderr}`, files: {} }
  }
  if (kind === 'image') {
    kind = 'raw'
    content = `${file}.raw`
    const script = 'image-cat --format "$1" "$2" | raw-sink --fill zero "$3"'
    const { code, stderr } = await runTool('bash', ['-c', script, 'bash', sink.format!, file, content])
    if (isPartial && fs.existsSync(content.replace(/\.raw$/, '.partial.raw')))
      content = content.replace(/\.raw$/, '.partial.raw')
    if (!fs.existsSync(content)) return { held: `image-cat: ${code}: ${stderr}`, files: {} }
    map = `${content}.map`
  }
  const contents = await judge.ask({ kind: kind as 'raw', path: content, truth: source.truth })
  if (contents.error) return { held: contents.error, files: {} }
  const held = mainOf(contents, source)
  const { complete, streams: files } = contents
  if (!fs.existsSync(map)) {
    const known = sink.kind === 'image' ? within(held.known, source.runs) : held.known
    return { held: { ...held, known }, files, complete }
  }
  const told = mainOf(await judge.ask({ kind: 'map', path: map, truth: source.truth }), source)
  const isTold = held.wrong === null || !covers(told.known, [[held.wrong, held.wrong + 1]])
  const wrong = isTold ? null : held.wrong
  return { held: { known: within(held.known, told.known), lost: told.lost, wrong }, files, complete }
}

function hasDirectory(file: string): boolean {
  const bytes = fs.readFileSync(file)
  return bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1') >= 0
}

async function runTool(command: string, words: string[]): Promise<{ code: number; stderr: string }> {
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

export const sizeOf = (spans: readonly Span[]): number =>
  spans.reduce((sum, [start, end]) => sum + end - start, 0)

function within(spans: readonly Span[], bounds: readonly Span[]): Span[] {
  return spans.flatMap(([start, end]) =>
    bounds.flatMap(([from, to]): Span[] =>
      Math.max(start, from) < Math.min(end, to) ? [[Math.max(start, from), Math.min(end, to)]] : [],
    ),
  )
}

const show = (spans: readonly Span[]): string =>
  spans.map(([start, end]) => `0x${start.toString(16)}-0x${end.toString(16)}`).join(', ') || 'nothing'
