import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { asToolError } from '../../src/cli/failure.js'
import { parseWords } from '../../src/cli/launch.js'
import type { Log } from '../../src/cli/messages.js'
import type { Io } from '../../src/cli/tool.js'
import { tool } from '../../src/volumes/ntfs-ls.js'

export interface Run {
  readonly status: number
  readonly text: string
  readonly messages: readonly string[]
}

/** Runs ntfs-ls in this process: a launcher for each of the many runs would cost more than they do. */
export async function list(...words: string[]): Promise<Run> {
  let text = ''
  const messages: string[] = []
  const note = (message: string) => void messages.push(message)
  const silent = () => {}
  const log: Log = {
    error: note,
    warn: note,
    info: silent,
    verbose: silent,
    debug: silent,
    progress: silent,
    clearProgress: silent,
  }
  const refuse = () => {
    throw new Error('ntfs-ls has nothing to do with frames')
  }
  const io: Io = {
    interrupted: new AbortController().signal,
    ended: new AbortController().signal,
    batchesAlive: 0,
    frames: refuse,
    send: refuse,
    transmit: refuse,
    isOutput: refuse,
    async print(piece) {
      text += piece
    },
  }
  try {
    return { status: await tool.run({ ...parseWords(tool, words), log, io }), text, messages }
  } catch (error) {
    const failure = asToolError(error)
    if (failure.exitCode === 70) throw error
    return { status: failure.exitCode, text, messages: [...messages, failure.message] }
  }
}

/** A line of --json. */
export interface JsonEntry extends JsonName {
  readonly path: string
  readonly record: number
  readonly sequence: number
  readonly source: string
  readonly state?: string
  readonly differs?: readonly string[]
  readonly links?: number
  readonly standardInformation?: JsonTimes
  readonly names?: readonly JsonName[]
  readonly streams?: readonly { identifier: string; name: string; size: string; type: number }[]
  readonly reparse?: { tag: string; target?: string }
  readonly clusters?: { clusters: number; inUse: number }
  readonly overwrittenLikely?: boolean
  readonly slack?: {
    in: string
    number: number
    offset: number
    confidence: string
    headerIntact: boolean
    live: boolean
  }
}

export interface JsonTimes {
  readonly created: string | null
  readonly modified: string | null
  readonly changed: string | null
  readonly accessed: string | null
}

export interface JsonName extends JsonTimes {
  readonly kind: string
  readonly name: string
  readonly namespace: string
  readonly parent: { record: number; sequence: number }
  readonly size: string
  readonly allocated: string
  readonly flags: readonly string[]
}

export async function listJson(...words: string[]): Promise<JsonEntry[]> {
  const { text } = await list('--json', ...words)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonEntry)
}

/** A file in a folder that is removed after the test. */
export function fileOf(t: ExecutionContext, bytes: Uint8Array): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-ntfs-ls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'image')
  writeFileSync(file, bytes)
  return file
}
