import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from './draw.js'
import { planned } from './preload.js'

/** What ends no sooner hangs; machines are slow at times. */
const PATIENCE_MS = 120_000
/** Between the end of a pipeline and that of its last process. */
const LINGER_MS = 5000
const RUNNER = path.resolve('test/faults/pipeline.py')

export interface Ended {
  /** What it had, and what it left: the output in `work`, frames that reached the sink in `arrived`. */
  folder: string
  statuses: number[]
  stderr: string[]
  /** Bytes that the process had read of its standard input when it was struck; undefined when it was not. */
  struck: number | undefined
  hung: boolean
  /** Command lines of processes that outlived it. */
  left: string[]
  seconds: number
}

export interface Stage {
  words: readonly string[]
  /** Where it runs, seen from `work`. */
  folder: string
}

/** Processes in a pipe, and what goes wrong in one of them. */
export interface Work {
  title: string
  stages: readonly Stage[]
  stage: number
  fault: Fault
  /** What lies in `work` before, by its name there: copies of these. */
  files: Readonly<Record<string, string>>
  /** What reaches the last one is kept in `arrived`. */
  keepsArrived: boolean
}

/**
 * Runs processes with their fault.
 * @param folder empty; where they run: what the last one writes to standard output is in `stdout` there
 * @param object what is preloaded
 */
export async function runWork(each: Work, folder: string, object: string): Promise<Ended> {
  for (const name of ['work', 'tmp']) fs.mkdirSync(path.join(folder, name))
  const mark = `PMEM_FAULT_CASE=${folder}`
  const began = performance.now()
  const isFull = each.fault.type === 'full'
  const words = [...(isFull ? ['unshare', '--map-root-user', '--mount'] : []), '/usr/bin/python3', RUNNER]
  const child = spawn(words[0]!, words.slice(1), {
    cwd: path.join(folder, 'work'),
    env: { ...process.env, PMEM_FAULT_CASE: folder, TMPDIR: path.join(folder, 'tmp') },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(JSON.stringify(askFor(each, folder, object)))
  let [told, said] = ['', '']
  child.stdout.on('data', (text) => {
    told += text
  })
  child.stderr.on('data', (text) => {
    said += text
  })
  let hung = false
  const late = setTimeout(() => {
    hung = true
    // Who runs them tells how they ended.
    for (const { pid, words } of marked(mark)) if (!words.includes(RUNNER)) end(pid)
  }, PATIENCE_MS)
  await new Promise((resolve, reject) => {
    child.on('close', resolve)
    child.on('error', reject)
  })
  clearTimeout(late)
  const seconds = (performance.now() - began) / 1000
  for (let waited = 0; waited < LINGER_MS && marked(mark).length > 0; waited += 50) await sleep(50)
  const left = marked(mark)
  for (const { pid } of left) end(pid)
  const read = (name: string) => {
    const file = path.join(folder, name)
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined
  }
  if (!told) throw new Error(`${each.title}: ${said}`)
  const statuses = JSON.parse(told) as number[]
  const struck = read('struck')
  // The status of `tee` is nobody's.
  if (each.keepsArrived) statuses.splice(-2, 1)
  return {
    folder,
    statuses,
    stderr: statuses.map((_, stage) => read(`stderr.${stage}`) ?? ''),
    struck: struck === undefined ? undefined : Number(struck.split('\n')[0]),
    hung,
    left: left.map(({ words }) => words),
    seconds,
  }
}

/** What pipeline.py is to run. `tee` keeps what reaches the last one; its status is not told. */
function askFor({ stages, stage, fault, files, keepsArrived }: Work, folder: string, object: string) {
  const asked: object[] = stages.map(({ words, folder: place }, index) => {
    const isStruck = index === stage
    const leaves = isStruck && fault.type === 'leaves'
    return {
      words: leaves ? ['head', '-c', String(fault.after)] : words,
      folder: place,
      environment:
        isStruck && fault.type === 'planned' ? planned(object, fault.plan, `${folder}/struck`) : {},
      errors: `${folder}/stderr.${index}`,
    }
  })
  const tee = { words: ['tee', '-i', `${folder}/arrived`], folder: '.', environment: {}, errors: '/dev/null' }
  if (keepsArrived) asked.splice(-1, 0, tee)
  const given = Object.values(files).reduce((sum, file) => sum + fs.statSync(file).size, 0)
  const full = fault.type === 'full' ? { full: given + fault.size, kept: `${folder}/kept` } : {}
  return { stages: asked, files, output: `${folder}/stdout`, ...full }
}

interface Process {
  pid: number
  words: string
}

/** Processes that have this in their environment. */
function marked(mark: string): Process[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const environment = fs.readFileSync(`/proc/${name}/environ`, 'latin1').split('\0')
        const words = fs.readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')
        return environment.includes(mark) ? [{ pid: Number(name), words }] : []
      } catch {
        return [] // It has just ended, or belongs to somebody else.
      }
    })
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}
