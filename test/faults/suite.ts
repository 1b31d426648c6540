import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openJudge } from './contents.js'
import { drawCase, showCase } from './draw.js'
import { makeEvidence } from './evidence.js'
import { complaintsOf } from './oracle.js'
import { sources } from './pipelines.js'
import { buildPreload } from './preload.js'
import { runCase } from './run-case.js'

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
    const all = sources(evidence, (name) => fs.statSync(path.join(evidence.folder, name)).size)
    const object = buildPreload(home)
    let next = seed
    const work = async () => {
      while (tally.struck < count) {
        const each = drawCase(all, next++)
        const folder = path.join(home, String(each.seed))
        fs.mkdirSync(folder)
        const ended = await runCase(each, folder, evidence.folder, object)
        const complaints = await complaintsOf(each, ended, judge)
        if (complaints.length > 0)
          tally.failures.push(
            [
              showCase(each),
              `statuses ${ended.statuses}, ${ended.struck ?? 'never struck'}`,
              ...complaints,
              ...ended.stderr,
            ].join('\n  '),
          )
        if (ended.struck !== undefined || each.fault.type !== 'planned') tally.struck++
        else if (count === 1) tally.struck++
        if (complaints.length === 0 || !keep) fs.rmSync(folder, { recursive: true })
        if (tally.struck % 100 === 0) tell(`${tally.struck} faults, ${tally.failures.length} failures`)
      }
    }
    await Promise.all([work(), work()])
  } finally {
    judge.close()
    if (!keep || tally.failures.length === 0) fs.rmSync(home, { recursive: true })
    else tell(`what failed is in ${home}`)
  }
  return tally
}
