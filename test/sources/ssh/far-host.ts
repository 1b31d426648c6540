import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { Connection, Plan } from './fake-ssh.js'

const FAKE = fileURLToPath(new URL('fake-ssh.js', import.meta.url))
/** All that a host needs to have. */
const PROGRAMS = { sh: '/bin/busybox', dd: '/bin/busybox' }

/** A host that is this machine, but for its programs. */
export interface FarHost {
  readonly folder: string
  /** For PATH: where `ssh` is. */
  readonly bin: string
  /** How often ssh was started. */
  connections(): number
  /** Options of ssh that make it what it should be. */
  readonly sshOptions: readonly string[]
  /**
   * The same host by other links.
   * @param folder gets what tells of them
   * @returns options of ssh
   */
  linkedBy(connections: readonly Connection[], folder: string): readonly string[]
}

export interface FarHostOptions {
  readonly connections?: readonly Connection[]
  /** What runs a command there. */
  readonly shell?: readonly string[]
  /** All that there are, and what they are. */
  readonly programs?: Readonly<Record<string, string>>
}

/** Makes one; it goes with the test. */
export function farHost(
  t: Pick<ExecutionContext, 'teardown'>,
  { connections = [{}], shell = ['/bin/busybox', 'sh'], programs = PROGRAMS }: FarHostOptions = {},
): FarHost {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-far-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  const bin = path.join(folder, 'bin')
  const far = path.join(folder, 'far')
  for (const made of [bin, far]) fs.mkdirSync(made)
  for (const [name, program] of Object.entries(programs)) fs.symlinkSync(program, path.join(far, name))
  fs.writeFileSync(path.join(bin, 'ssh'), `#!/bin/sh\nexec '${process.execPath}' '${FAKE}' "$@"\n`, {
    mode: 0o755,
  })
  const count = path.join(folder, 'count')
  fs.writeFileSync(count, '')
  const write = (file: string, plan: Pick<Plan, 'count' | 'connections' | 'cut'>) => {
    fs.writeFileSync(file, JSON.stringify({ ...plan, shell, path: far } satisfies Plan))
    return ['-F', file]
  }
  return {
    folder,
    bin,
    connections: () => fs.statSync(count).size,
    sshOptions: write(path.join(folder, 'plan'), { count, connections }),
    linkedBy: (others, place) =>
      write(path.join(place, 'plan'), {
        count: path.join(place, 'links'),
        cut: path.join(place, 'struck'),
        connections: others,
      }),
  }
}
