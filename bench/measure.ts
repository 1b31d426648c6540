import { spawn } from 'node:child_process'
import fs from 'node:fs'

export interface Run {
  seconds: number
  /** Peak resident memory of each process of the pipeline, in MiB, by the tool's name. */
  peaks: Map<string, number>
}

/** Runs a shell pipeline and watches its processes. */
export function runPipeline(script: string): Promise<Run> {
  const peaks = new Map<string, number>()
  return new Promise((resolve, reject) => {
    const began = process.hrtime.bigint()
    const shell = spawn('bash', ['-c', `set -o pipefail; ${script}; exit $?`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const watch = setInterval(() => notePeaks(shell.pid!, peaks), 40)
    shell.on('error', reject)
    shell.on('exit', (code) => {
      clearInterval(watch)
      const seconds = Number(process.hrtime.bigint() - began) / 1e9
      if (code === 0) resolve({ seconds, peaks })
      else reject(new Error(`exit status ${code}: ${script}`))
    })
  })
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
        .find((word) => word.includes('/bin/') && !word.endsWith('/node'))
        ?.split('/')
        .at(-1)
      const peak = /VmHWM:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
      if (name && peak) peaks.set(name, Math.max(peaks.get(name) ?? 0, Number(peak[1]) / 1024))
    }
  } catch {
    // A process that ends while it is looked at has been seen before.
  }
}

export const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

/**
 * Runs things in turn, one after another, round after round, so that the machine's moods meet all of them.
 * @returns the median of each, in seconds
 */
export async function inTurn<K extends string>(
  rounds: number,
  things: Record<K, () => Promise<number>>,
): Promise<Record<K, number>> {
  const seconds = new Map<K, number[]>()
  for (let round = 0; round < rounds; round++)
    for (const name of Object.keys(things) as K[])
      seconds.set(name, [...(seconds.get(name) ?? []), await things[name]()])
  return Object.fromEntries([...seconds].map(([name, all]) => [name, median(all)])) as Record<K, number>
}
