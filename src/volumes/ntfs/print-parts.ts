import { setImmediate } from 'node:timers/promises'
import { EXIT, ToolError } from '../../cli/exit.js'
import type { Io } from '../../cli/tool.js'

/** Characters that are printed at once. */
const BATCH = 65536
/** A loop of reads lets no signal be heard. */
const REST_MS = 50

/**
 * Prints texts in batches, so that neither many small ones cost time nor all of them memory.
 * @throws {ToolError} after a signal
 */
export async function printParts(io: Io, parts: AsyncIterable<string>): Promise<void> {
  let waiting: string[] = []
  let length = 0
  let rested = performance.now()
  for await (const part of parts) {
    waiting.push(part)
    length += part.length
    if (length < BATCH) continue
    await io.print(waiting.join(''))
    waiting = []
    length = 0
    if (performance.now() - rested < REST_MS) continue
    await setImmediate()
    rested = performance.now()
    if (io.interrupted.aborted)
      throw new ToolError(EXIT.incomplete, `interrupted by ${io.interrupted.reason}`)
  }
  await io.print(waiting.join(''))
}
