import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Span } from './contents.js'

export interface StillProcess {
  pid: number
  /** What Python has read of it: its ranges one after the other, and where they stand in `.runs` beside it. */
  truth: string
  /** The same without what it has only reserved, which need not be read. */
  runs: readonly Span[]
  /** Its list of mappings. */
  maps: string
}

/** What the kernel lets nobody read, or is not memory of the process. */
const READ = `import json, sys
pid, folder = sys.argv[1:]
runs, used = [], []
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem, open(f"{folder}/still.truth", "wb") as truth:
    text = maps.read()
    for line in text.splitlines():
        place, permissions, _, _, _, *name = line.split()
        if name and name[0] in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
            continue
        start, end = (int(word, 16) for word in place.split("-"))
        mem.seek(start)
        content = mem.read(end - start)
        assert len(content) == end - start, line
        truth.write(content)
        runs.append([start, end])
        if permissions != "---p":
            used.append([start, end])
json.dump(runs, open(f"{folder}/still.truth.runs", "w"))
json.dump(used, open(f"{folder}/still.used", "w"))
open(f"{folder}/still.maps", "w").write(text)`

/**
 * Starts a process that does nothing any more.
 * @param content 8 MiB at least
 * @param ends gets what is to be done when all is over
 */
export async function startStillProcess(
  folder: string,
  content: Buffer,
  ends: (() => unknown)[],
): Promise<StillProcess> {
  const program = path.join(folder, 'still')
  execFileSync('gcc', ['-O1', '-o', program, 'test/faults/still.c'])
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(program, [], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  ends.push(() => child.kill('SIGKILL'))
  // It does not take all.
  child.stdin.on('error', () => {})
  child.stdin.write(content)
  const [pid] = (await once(child.stdout.setEncoding('latin1'), 'data')) as [string]
  execFileSync('/usr/bin/python3', ['-c', READ, pid.trim(), folder])
  const truth = path.join(folder, 'still.truth')
  const runs = JSON.parse(fs.readFileSync(path.join(folder, 'still.used'), 'utf8')) as Span[]
  return { pid: Number(pid), truth, runs, maps: path.join(folder, 'still.maps') }
}
