import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import type { Run } from '../../../src/formats/address-space.js'
import { decodeMemory } from '../kcore/witness.js'
import type { Windows } from './wine.js'

/** ERROR_SERVICE_DOES_NOT_EXIST */
const NO_SUCH_SERVICE = 1060
const TRUTH = fileURLToPath(new URL('../../../../test/real/winpmem/truth.py', import.meta.url))

type Spans = readonly (readonly [start: string, length: string])[]

interface Truth {
  /** Of `data` and `UnreadableData`. */
  readonly runs: Readonly<Record<string, Spans>>
  /** SHA-256 of what can be read. */
  readonly data: string
  readonly ranges: Spans
}

/** What driver.c makes up, as another language has it. */
export async function truth(): Promise<Truth> {
  const { stdout } = await promisify(execFile)('/usr/bin/python3', [TRUTH])
  return JSON.parse(stdout) as Truth
}

/** A decoder that shares no code with ours finds in the volume what driver.c makes up, and nothing else. */
export async function holdsTheMemory(t: ExecutionContext, volume: string): Promise<void> {
  const expected = await truth()
  const { runs, data } = await decodeMemory(volume)
  const asText = (list: readonly Run[]) => list.map(({ start, length }) => [String(start), String(length)])
  const found = Object.entries(runs).map(([name, list]) => [name, asText(list)])
  t.deepEqual(Object.fromEntries(found), expected.runs)
  t.is(data, expected.data)
}

/** A driver's service, as Windows' own tool tells of it; undefined where there is none. */
export async function serviceState({ run }: Windows): Promise<string | undefined> {
  const { statuses, stdout } = await run([['sc.exe', 'query', 'winpmem']])
  if (statuses[0] === NO_SUCH_SERVICE) return undefined
  return /STATE\s*:\s*\d+\s+(\w+)/.exec(stdout.toString('latin1'))?.[1]
}

/** Driver files that were left in the folders for such files. */
export function driverFiles({ drive }: Windows): string[] {
  const users = join(drive, 'users')
  const folders = readdirSync(users).flatMap((user) =>
    ['Temp', 'AppData/Local/Temp'].map((folder) => join(users, user, folder)),
  )
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder))
    .filter((name) => name.startsWith('pmem-driver-'))
}

/** Neither a service nor a file of a driver is left. */
export async function nothingIsLeft(t: ExecutionContext, windows: Windows): Promise<void> {
  t.is(await serviceState(windows), undefined)
  t.deepEqual(driverFiles(windows), [])
}
