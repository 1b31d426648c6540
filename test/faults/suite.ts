import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openJudge } from './contents.js'
import { drawCase, workOf } from './draw.js'
import { makeEvidence } from './evidence.js'
import { complaintsOfJob, drawJob, type Expected, filesBelow, type JobCase, workOfJob } from './jobs.js'
import { complaintsOf } from './oracle.js'
import { sources } from './pipelines.js'
import { buildPreload } from './preload.js'
import { runWork } from './run-work.js'

/** One of so many is of a tool that does all by itself. */
const JOBS_EACH = 4
/** One of so many adds to a volume that is there. */
const ADDITIONS_EACH = 8
/** Nobody sees that the clock is right. */
const NO_FAULT = {
  type: 'planned',
  plan: { kind: 'clock', calls: 'clock', where: '-', at: 0, number: 0 },
} as const

export interface Tally {
  /** Faults that happened: not after all was done. */
  struck: number
  failures: string[]
}

/**
 * Injects faults into pipelines until so many have happened.
 * @param seed of the first; the next ones count up from there
 * @param tell gets each failure, and a line every hundred
 * @param keep failed cases stay in their folders
 */
export async function injectFaults(
  count: number,
  seed: number,
  tell: (line: string) => void,
  keep = false,
): Promise<Tally> {
  const home = fs.mkdtempSync(path.join(tmpdir(), 'pmem-faults-'))
  process.env.PATH = `${path.resolve('bin')}:${process.env.PATH}`
  const judge = openJudge()
  const ends: (() => unknown)[] = []
  const tally: Tally = { struck: 0, failures: [] }
  try {
    fs.mkdirSync(path.join(home, 'evidence'))
    const evidence = await makeEvidence(path.join(home, 'evidence'), ends)
    process.env.PATH = `${evidence.host.bin}:${process.env.PATH}`
    const sizeOf = (name: string) => fs.statSync(path.join(evidence.folder, name)).size
    const all = sources(evidence, sizeOf)
    const object = buildPreload(home)
    const expected = new Map<string, Expected>()

    /** What a job prints, or makes below a folder, without a fault. */
    async function expectedOf(each: JobCase, folder: string): Promise<Expected> {
      const key = each.job.words.join(' ')
      const known = expected.get(key)
      if (known || each.job.writes) return known ?? { status: 0, stdout: '', files: {} }
      fs.mkdirSync(folder)
      const work = workOfJob({ ...each, fault: NO_FAULT }, folder, evidence)
      const { statuses } = await runWork(work, folder, object)
      const stdout = fs.readFileSync(path.join(folder, 'stdout'), 'latin1')
      const found = { status: statuses[0]!, stdout, files: filesBelow(path.join(folder, 'work')) }
      expected.set(key, found)
      fs.rmSync(folder, { recursive: true })
      return found
    }

    /** @returns how it ended, and what is wrong with that */
    async function inject(number: number, folder: string) {
      if (number % JOBS_EACH === 0) {
        const each = drawJob(number, sizeOf)
        const wanted = await expectedOf(each, `${folder}-whole`)
        const work = workOfJob(each, folder, evidence)
        const ended = await runWork(work, folder, object)
        return { work, ended, complaints: await complaintsOfJob(each, ended, wanted, evidence, judge) }
      }
      const each = drawCase(all, number, number % ADDITIONS_EACH === 1)
      const work = workOf(each, folder, evidence.folder)
      const ended = await runWork(work, folder, object)
      return { work, ended, complaints: await complaintsOf(each, ended, evidence.folder, judge) }
    }

    let next = seed
    const worker = async () => {
      while (tally.struck < count) {
        const number = next++
        const folder = path.join(home, String(number))
        fs.mkdirSync(folder)
        const { work, ended, complaints } = await inject(number, folder)
        if (complaints.length > 0) {
          const how = `statuses ${ended.statuses}, ${ended.struck ?? 'never struck'}`
          tally.failures.push([work.title, how, ...complaints, ...ended.stderr].join('\n  '))
          tell(tally.failures.at(-1)!)
        }
        if (complaints.length === 0 || !keep) fs.rmSync(folder, { recursive: true })
        // Of a single one it is asked how it ends, whether it strikes or not.
        const { type } = work.fault
        if (ended.struck === undefined && (type === 'planned' || type === 'cut') && count > 1) continue
        tally.struck++
        if (tally.struck % 100 === 0) tell(`${tally.struck} faults, ${tally.failures.length} failures`)
      }
    }
    await Promise.all(count === 1 ? [worker()] : [worker(), worker()])
  } finally {
    judge.close()
    for (const end of ends) end()
    if (!keep || tally.failures.length === 0) fs.rmSync(home, { recursive: true })
    else tell(`what failed is in ${home}`)
  }
  return tally
}
