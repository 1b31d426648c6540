import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MIB = 1 << 20
/** Of each process, whatever the size. */
const MOST_MEMORY = 150 * MIB
/** How much more a process may have at any time of the second half than it had in the first. */
const DRIFT = 12 * MIB
const EVERY_MS = 100

export interface Course {
  /** The tool and its words. */
  words: string
  /** The most that it had resident, in bytes. */
  peak: number
  firstHalf: number
  secondHalf: number
}

export interface Soaked {
  courses: Course[]
  seconds: { acquire: number; verify: number }
  /** Of the volume. */
  bytes: number
  complaints: string[]
}

/**
 * Sends a made-up memory through hash, compression and aff4-sink, and verifies the volume, while the memory of each process
 * is looked at.
 * @param size as tools take it: `64G`
 */
export async function soak(size: string): Promise<Soaked> {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-soak-'))
  try {
    const out = path.join(folder, 'out.aff4')
    const acquired = await watch([
      ['dist/test/soak/source.js', size],
      ['bin/pmem-hash', 'sha256'],
      ['bin/pmem-compress', 'snappy'],
      ['bin/aff4-sink', out],
    ])
    const bytes = fs.existsSync(out) ? fs.statSync(out).size : 0
    const verified = await watch([['bin/aff4-verify', out]])
    const courses = [...acquired.courses, ...verified.courses]
    return {
      courses,
      bytes,
      seconds: { acquire: acquired.seconds, verify: verified.seconds },
      complaints: [...acquired.failed, ...verified.failed, ...courses.flatMap(complaintsOf)],
    }
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

function complaintsOf({ words, peak, firstHalf, secondHalf }: Course): string[] {
  const complaints: string[] = []
  if (peak > MOST_MEMORY) complaints.push(`${words}: ${inMib(peak)} MiB`)
  if (secondHalf > firstHalf + DRIFT)
    complaints.push(`${words}: ${inMib(firstHalf)} MiB in the first half, ${inMib(secondHalf)} in the second`)
  return complaints
}

export const inMib = (bytes: number): string => (bytes / MIB).toFixed(0)

/** Runs a pipeline of scripts of Node. */
async function watch(
  stages: readonly string[][],
): Promise<{ courses: Course[]; seconds: number; failed: string[] }> {
  const began = performance.now()
  const script = stages
    .map(
      (words, index) =>
        `(exec "$NODE" ${words.join(' ')}) ${index === stages.length - 1 ? '>/dev/null' : ''}`,
    )
    .join(' | ')
  const child = spawn('bash', ['-c', `${script}; echo "\${PIPESTATUS[*]}" >&3`], {
    env: { ...process.env, NODE: process.execPath },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  let told = ''
  child.stdio[3]!.on('data', (text) => {
    told += text
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  const samples = stages.map((): number[] => [])
  let running = true
  void ended.then(() => {
    running = false
  })
  while (running) {
    for (const [index, words] of stages.entries()) {
      const resident = residentOf(child.pid!, words[0]!)
      if (resident !== undefined) samples[index]!.push(resident)
    }
    await sleep(EVERY_MS)
  }
  const statuses = told.trim().split(' ')
  const failed = stages.flatMap((words, index) =>
    statuses[index] === '0' ? [] : [`${words.join(' ')}: exit status ${statuses[index]}`],
  )
  return {
    courses: samples.map((each, index) => courseOf(stages[index]!, each)),
    seconds: (performance.now() - began) / 1000,
    failed,
  }
}

function courseOf(words: readonly string[], samples: readonly number[]): Course {
  const half = samples.length >> 1
  const most = (list: readonly number[]) => list.reduce((a, b) => Math.max(a, b), 0)
  return {
    words: words.map((word) => path.basename(word)).join(' '),
    peak: most(samples),
    firstHalf: most(samples.slice(0, half)),
    secondHalf: most(samples.slice(half)),
  }
}

/** What the child of a shell that runs a script has resident; undefined when there is none. */
function residentOf(shell: number, script: string): number | undefined {
  for (const pid of fs.readFileSync(`/proc/${shell}/task/${shell}/children`, 'latin1').trim().split(' '))
    try {
      const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
      if (words[1] !== script) continue
      const [, resident] = fs.readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')
      return Number(resident) * 4096
    } catch {
      // It has just ended.
    }
  return undefined
}
