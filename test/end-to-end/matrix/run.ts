import { transmission } from '../../../src/cli/labelled.js'
import { parseWords } from '../../../src/cli/launch.js'
import type { Log } from '../../../src/cli/messages.js'
import { secretsOf } from '../../../src/cli/secret.js'
import type { Io, Tool } from '../../../src/cli/tool.js'
import { BATCHES_ALIVE } from '../../../src/frames/decode.js'
import type { Frames } from '../../../src/frames/frame.js'
import { catImages, tool } from '../../../src/sources/image-cat.js'
import { silent } from '../../sources/collect.js'

const PROGRAM = { name: 'image-cat', version: '1', arguments: [] }
/** Each run listens on a signal of its own. */
const never = () => new AbortController().signal

/** What image-cat sends of a file, labelled as in a pipe. */
export function send(file: string): Frames {
  const interrupted = never()
  const evidence = catImages({
    log: silent,
    files: [file],
    format: undefined,
    secrets: secretsOf(parseWords(tool, [file]).options),
    program: 'image-cat',
    batchesAlive: BATCHES_ALIVE,
    interrupted,
  })
  return transmission(evidence, PROGRAM, interrupted).frames
}

/** Runs a sink in this process. @returns its exit status and what it has said */
export async function sink(
  into: Tool,
  words: readonly string[],
  frames: Frames,
): Promise<{ status: number; told: string[] }> {
  const told: string[] = []
  const tell = (message: string, hint?: string) => void told.push(hint ? `${message}; ${hint}` : message)
  const log: Log = { ...silent, error: tell, warn: tell, info: tell }
  const io = { interrupted: never(), batchesAlive: BATCHES_ALIVE, frames: () => frames } as unknown as Io
  const status = await into.run({ ...parseWords(into, words), log, io })
  return { status, told }
}
