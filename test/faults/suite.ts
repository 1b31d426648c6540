import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openJudge } from './contents.js'
import { drawCase, workOf } from './draw.js'
import { makeEvidence } from './evidence.js'
import { complaintsOfJob, drawJob, type JobCase, workOfJob } from './jobs.js'
import { complaintsOf } from './oracle.js'
import { sources } from './pipelines.js'
import { buildPreload } from './preload.js'
import { runWork } from './run-work.js'

/** One of so many is of a tool that does all by itself. */
const JOBS_EACH = 4
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
 * @param tell gets a line every hundred
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
  const tally: Tally = { struck: 0, failures: [] }
  try {
    fs.mkdirSync(path.join(home, 'evidence'))
    const evidence = makeEvidence(path.join(home, 'evidence'))
    const sizeOf = (name: string) => fs.statSync(path.join(evidence.folder, name)).size
    const all = sources(evidence, sizeOf)
    const object = buildPreload(home)
    const expected = new Map<string, { status: number; stdout: string }>()

    /** What a job prints without a fault. */
    async function expectedOf(each: JobCase, folder: string) {
      const key = each.job.words.join(' ')
      const known = expected.get(key)
      if (known || each.job.writes) return known ?? { status: 0, stdout: '' }
      fs.mkdirSync(folder)
      const work = workOfJob({ ...each, fault: NO_FAULT }, folder, evidence)
      const { statuses } = await runWork(work, folder, object)
      const found = { status: statuses[0]!, stdout: fs.readFileSync(path.join(folder, 'stdout'), 'latin1') }
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
      const each = drawCase(all, number)
      const work = workOf(each, evidence.folder)
      const ended = await runWork(work, folder, object)
      return { work, ended, complaints: await complaintsOf(each, ended, judge) }
    }

    let next = seed
    const worker = async () => {
      while (tally.struck < count) {
        const number = next++
        const folder = path.join(home, String(number))
        fs.mkdirSync(folder)
        const { work, ended, complaints } = await inject(number, folder)
        if (complaints.length > 0)
          tally.failures.push(
            [
              work.title,
              `statuses ${ended.statuses}, ${ended.struck ?? 'never struck'}`,
              ...complaints,
              ...ended.stderr,
            ].join('\n  '),
          )
        if (complaints.length === 0 || !keep) fs.rmSync(folder, { recursive: true })
        // Of a single one it is asked how it ends, whether it strikes or not.
        if (ended.struck === undefined && work.fault.type === 'planned' && count > 1) continue
        tally.struck++
        if (tally.struck % 100 === 0) tell(`${tally.struck} faults, ${tally.failures.length} failures`)
      }
    }
    await Promise.all(count === 1 ? [worker()] : [worker(), worker()])
  } finally {
    judge.close()
    if (!keep || tally.failures.length === 0) fs.rmSync(home, { recursive: true })
    else tell(`what failed is in ${home}`)
  }
  return tally
}
