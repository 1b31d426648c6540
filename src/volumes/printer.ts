import type { Io } from '../cli/tool.js'
import { createRest } from './rest.js'

/** Characters that are printed at once. */
const BATCH = 65536

/** Prints texts in batches, so that neither many small ones cost time nor all of them memory. */
export interface Printer {
  /** @throws {ToolError} after a signal */
  put(text: string): Promise<void>
  /** Prints what waits. */
  end(): Promise<void>
}

export function createPrinter(io: Pick<Io, 'print' | 'interrupted'>): Printer {
  const rest = createRest(io.interrupted)
  let waiting: string[] = []
  let length = 0
  async function end(): Promise<void> {
    const text = waiting.join('')
    waiting = []
    length = 0
    if (text !== '') await io.print(text)
  }
  return {
    async put(text) {
      waiting.push(text)
      length += text.length
      if (length < BATCH) return
      await end()
      await rest()
    },
    end,
  }
}

/** Prints all texts, in batches. @throws {ToolError} after a signal */
export async function printParts(
  io: Pick<Io, 'print' | 'interrupted'>,
  parts: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  const printer = createPrinter(io)
  for await (const part of parts) await printer.put(part)
  await printer.end()
}
