import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { createRandom } from '../fuzz/mutate.js'
import type { Judge } from './contents.js'
import { drawFault, type Fault, showFault } from './draw.js'
import type { Evidence } from './evidence.js'
import {
  complaintsOfProcesses,
  complaintsOfWhole,
  HARMLESS,
  isGraceful,
  isOfEnd,
  readOutput,
  SIGNALLED,
  sizeOf,
} from './oracle.js'
import { SINKS, type Sink, type Source } from './pipelines.js'
import type { Ended, Work } from './run-work.js'

/** A tool that does all by itself: what it prints or writes is what it does without a fault, or its status says otherwise. */
interface Job {
  words: readonly string[]
  /** Part of the path of what it reads. */
  reads: string
  /** The volume that it writes, of this evidence; else it prints. */
  writes?: (evidence: Evidence) => Pick<Source, 'truth' | 'runs'>
  /** It makes files below `tree`. */
  exports?: true
}

/** What comes of a job without a fault. */
export interface Expected {
  status: number
  stdout: string
  /** Digests of the files it makes, by their path. */
  files: Readonly<Record<string, string>>
}

const memoryOf = ({ memory }: Evidence) => ({ truth: { PhysicalMemory: memory.truth }, runs: memory.runs })
const flatOf = ({ flat }: Evidence) => ({ truth: { flat }, runs: [[0, fs.statSync(flat).size]] as const })
const prints = (command: string): Job => {
  const words = command.split(' ')
  return { words, reads: words.find((word) => word.includes('.'))! }
}

const JOBS: readonly Job[] = [
  ...['memory', 'evidence'].flatMap((name) =>
    ['aff4-verify', 'aff4-ls', 'aff4-ls --map', 'aff4-view'].map((tool) => prints(`${tool} ${name}.aff4`)),
  ),
  ...['memory.E01', 'memory.kdump', 'memory.dmp', 'memory.lime', 'memory.avml', 'memory.core'].flatMap(
    (name) => [prints(`image-info ${name}`), prints(`image-verify ${name}`)],
  ),
  prints('ntfs-ls -r ntfs.raw'),
  prints('ntfs-stat ntfs.raw 66'),
  prints('ntfs-dump ntfs.raw 66'),
  prints('ntfs-usn journal.raw'),
  prints('ntfs-usn --rewind --json journal.raw'),
  { words: ['ntfs-export', 'ntfs.raw', '/', '-C', '$TREE'], reads: 'ntfs.raw', exports: true },
  prints('pmem -V memory.aff4'),
  { words: ['aff4-recover', 'memory.aff4', '$OUT'], reads: 'memory.aff4', writes: memoryOf },
  {
    words: ['pmem', '-q', '--ignore-space', '-c', 'snappy', '-o', '$OUT', '-i', 'evidence.raw', '--'],
    reads: 'evidence.raw',
    writes: flatOf,
  },
  {
    words: ['pmem', '-q', '--ignore-space', '-c', 'zlib', '-o', '$OUT', '-i', 'evidence.raw', '--'],
    reads: 'evidence.raw',
    writes: flatOf,
  },
]

export interface JobCase {
  seed: number
  job: Job
  fault: Fault
}

const VOLUME: Sink = SINKS.find(({ words }) => words.join(' ') === 'aff4-sink out.aff4')!

export function drawJob(seed: number, sizeOf: (name: string) => number): JobCase {
  const random = createRandom(seed * 2654435761 + 7)
  for (let warm = 0; warm < 5; warm++) random(2)
  const job = JOBS[random(JOBS.length)]!
  const size = sizeOf(job.reads)
  const ends = job.writes !== undefined || job.exports === true
  const writes = job.exports ? 'tree/' : ends ? 'out.partial.' : 'out'
  const fault = drawFault({ reads: job.reads, writes, size, ends, fills: ends, isPiped: !ends }, random)
  return { seed, job, fault }
}

/** The job in a pipe of which a reader may leave. */
export function workOfJob(
  { seed, job, fault }: JobCase,
  folder: string,
  { folder: evidence }: Evidence,
): Work {
  const places: Record<string, string> = { $OUT: `${folder}/work/out.aff4`, $TREE: `${folder}/work/tree` }
  const words = job.words.map((word) => places[word] ?? word)
  const first = { words, folder: evidence }
  return {
    title: `seed ${seed}: ${job.words.join(' ')}: ${showFault(fault)}`,
    stages: fault.type === 'leaves' ? [first, { words: ['cat'], folder: '.' }] : [first],
    stage: fault.type === 'leaves' ? 1 : 0,
    fault,
    files: {},
    keepsArrived: false,
  }
}

export async function complaintsOfJob(
  { job, fault }: JobCase,
  ended: Ended,
  expected: Expected,
  evidence: Evidence,
  judge: Judge,
): Promise<string[]> {
  const complaints = complaintsOfProcesses(ended)
  const status = ended.statuses[0]!
  const allowed = allowedStatuses(fault, ended, expected.status)
  if (!allowed.includes(status)) complaints.push(`status ${status}, not ${allowed.join(' or ')}`)
  const stdout = fs.readFileSync(path.join(ended.folder, 'stdout'), 'latin1')
  if (!job.writes) {
    if (status === expected.status && fault.type !== 'leaves' && stdout !== expected.stdout)
      complaints.push(`status ${status}, and it printed something else:\n${stdout}`)
    return complaints
  }
  const folder = path.join(ended.folder, fault.type === 'full' ? 'kept' : 'work')
  if (job.exports) return [...complaints, ...complaintsOfFiles(folder, status, expected)]
  const files = fs.readdirSync(folder)
  const isFinal = files.includes('out.aff4')
  const strange = files.filter((name) => !['out.aff4', 'out.partial.aff4'].includes(name))
  if (strange.length > 0) complaints.push(`strange files: ${strange.join(', ')}`)
  if ([0, 2].includes(status) && !isFinal) complaints.push(`status ${status}, and no volume`)
  if (isFinal && ![0, 2].includes(status) && status < 128) complaints.push(`status ${status}, and a volume`)
  if (isFinal)
    complaints.push(
      ...(await complaintsOfWhole(
        path.join(folder, 'out.aff4'),
        job.writes(evidence),
        VOLUME,
        status === 2,
        judge,
      )),
    )
  else if (job.words[0] !== 'pmem') return complaints
  else if (files.length > 0)
    complaints.push(
      ...(await complaintsOfKept(path.join(folder, files[0]!), fault, job.writes(evidence), judge)),
    )
  else if (status === 3) complaints.push('nothing was kept')
  return complaints
}

/** What has its final name is whole. */
function complaintsOfFiles(folder: string, status: number, expected: Expected): string[] {
  const found = filesBelow(folder)
  const named = Object.keys(found).filter((name) => !name.includes('.partial'))
  const other = named.filter((name) => found[name] !== expected.files[name])
  const complaints = other.map((name) => `${name} is not what it should be`)
  const missing = Object.keys(expected.files).filter((name) => !(name in found))
  if (status === expected.status && missing.length > 0)
    complaints.push(`status ${status}, and these are missing: ${missing.join(', ')}`)
  return complaints
}

/** The digest of each file below a folder, by its path. */
export function filesBelow(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.isFile())
      found[path.relative(folder, file)] = createHash('sha256').update(fs.readFileSync(file)).digest('hex')
  }
  return found
}

/** What it may read ahead of what it writes. */
const AHEAD = 4 << 20

/** A part is labelled, and holds what was read before it was told to end. */
async function complaintsOfKept(
  file: string,
  fault: Fault,
  source: Pick<Source, 'truth' | 'runs'>,
  judge: Judge,
): Promise<string[]> {
  const read =
    fault.type === 'planned' && isGraceful(fault) && fault.plan.calls === 'read' ? fault.plan.at : 0
  const { held, complete } = await readOutput(file, source, VOLUME, judge)
  if (complete)
    return isOfEnd(fault)
      ? complaintsOfWhole(file, source, VOLUME, false, judge)
      : [`${path.basename(file)}: its label says complete`]
  if (typeof held === 'string') return isGraceful(fault) ? [`${path.basename(file)}: ${held}`] : []
  if (held.wrong !== null) return [`${path.basename(file)}: wrong at 0x${held.wrong.toString(16)}`]
  const known = sizeOf(held.known)
  return known < read - AHEAD ? [`of ${read} bytes that were read ${known} were kept`] : []
}

function allowedStatuses(fault: Fault, ended: Ended, fine: number): number[] {
  if (fault.type === 'leaves') return [fine, 141]
  if (fault.type === 'full') return [fine, 73, 74]
  if (fault.type === 'cut') return [fine]
  const { kind, calls } = fault.plan
  if (ended.struck === undefined || HARMLESS.includes(kind)) return [fine]
  const signalled = SIGNALLED[kind]
  if (signalled !== undefined) return kind === 'kill' ? [signalled] : [fine, signalled, 3]
  return calls === 'read' ? [fine, 1, 2, 3, 65, 66, 74] : [73, 74]
}
