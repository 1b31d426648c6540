import type { Io } from '../../cli/tool.js'

/** Characters that are printed at once. */
const BATCH = 65536

/** Prints texts in batches, so that neither many small ones cost time nor all of them memory. */
export async function printParts(io: Io, parts: AsyncIterable<string>): Promise<void> {
  let waiting: string[] = []
  let length = 0
  for await (const part of parts) {
    waiting.push(part)
    length += part.length
    if (length < BATCH) continue
    await io.print(waiting.join(''))
    waiting = []
    length = 0
  }
  await io.print(waiting.join(''))
}
