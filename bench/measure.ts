import { spawn } from 'node:child_process'
import fs from 'node:fs'

/** What something took. */
export interface Cost {
  seconds: number
  /** Processor time, of all its processes, user and system. */
  processor: number
}

/** What something took in several runs: the median, and each. */
export interface Measured extends Cost {
  readonly rounds: readonly Cost[]
}

export interface Run extends Cost {
  /** Peak resident memory of each process of the pipeline, in MB, by the tool's name. */
  peaks: Map<string, number>
}

/**
 * Runs a shell pipeline and watches its processes. Node would read certificates at its start where it is told of some:
 * 35 ms of processor time for each process.
 */
export function runPipeline(script: string): Promise<Run> {
  const peaks = new Map<string, number>()
  return new Promise((resolve, reject) => {
    const began = process.hrtime.bigint()
    const shell = spawn('bash', ['-c', `set -o pipefail; ${script}; status=$?; times >&3; exit $status`], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: '' },
    })
    let times = ''
    shell.stdio[3]!.on('data', (text) => {
      times += text
    })
    const watch = setInterval(() => notePeaks(shell.pid!, peaks), 40)
    shell.on('error', reject)
    let seconds = 0
    shell.on('exit', () => {
      seconds = Number(process.hrtime.bigint() - began) / 1e9
    })
    shell.on('close', (code) => {
      clearInterval(watch)
      if (code === 0) resolve({ seconds, processor: ofChildren(times), peaks })
      else reject(new Error(`exit status ${code}: ${script}`))
    })
  })
}

/** The second line of bash's `times`: user and system time of its children, `0m1.234s 0m0.567s`. */
function ofChildren(times: string): number {
  const words = times.trim().split('\n')[1]?.split(' ') ?? []
  return words.reduce((sum, word) => {
    const [, minutes, seconds] = /^(\d+)m([\d.]+)s$/.exec(word)!
    return sum + Number(minutes) * 60 + Number(seconds)
  }, 0)
}

/** Processor time of the whole machine since it started, in seconds: what was used, and what there was. */
function machineTime(): { used: number; all: number } {
  const [, ...ticks] = fs.readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/)
  const all = ticks.slice(0, 8).reduce((sum, tick) => sum + Number(tick), 0)
  return { used: (all - Number(ticks[3]) - Number(ticks[4])) / 100, all: all / 100 }
}

/** The kernel's own high-water mark of each child, for as long as the child lives. */
function notePeaks(shell: number, peaks: Map<string, number>): void {
  try {
    for (const pid of fs
      .readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)) {
      const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const name = words
        .find((word) => /\/bin\/[\w-]+$/.test(word) && !word.endsWith('/node'))
        ?.split('/')
        .at(-1)
      const peak = /VmHWM:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
      if (name && peak) peaks.set(name, Math.max(peaks.get(name) ?? 0, Number(peak[1]) * 1.024e-3))
    }
  } catch {
    // A process that ends while it is looked at has been seen before.
  }
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!

/**
 * Runs things in turn, one after another, round after round, so that the machine's moods meet all of them.
 * @returns the medians of each, and the share of the machine that other programs had meanwhile
 */
export async function inTurn<K extends string>(
  rounds: number,
  things: Record<K, () => Promise<Cost>>,
): Promise<Record<K, Measured> & { others: number }> {
  const costs = new Map<K, Cost[]>()
  const before = machineTime()
  let ours = 0
  for (let round = 0; round < rounds; round++)
    for (const name of Object.keys(things) as K[]) {
      const cost = await things[name]()
      ours += cost.processor
      costs.set(name, [...(costs.get(name) ?? []), cost])
    }
  const after = machineTime()
  const medians = [...costs].map(([name, all]): [K, Measured] => [
    name,
    {
      seconds: median(all.map((cost) => cost.seconds)),
      processor: median(all.map((cost) => cost.processor)),
      rounds: all,
    },
  ])
  return Object.assign(Object.fromEntries(medians) as Record<K, Measured>, {
    others: Math.max(0, (after.used - before.used - ours) / (after.all - before.all)),
  })
}

/** How many times as fast as `base` something was: in the median, and the least and the most of one round. */
export function ratioOf(base: Measured, measured: Measured): { median: number; least: number; most: number } {
  const ratios = base.rounds.map((cost, round) => cost.seconds / measured.rounds[round]!.seconds)
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) }
}
