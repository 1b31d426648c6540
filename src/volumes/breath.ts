import type { Context } from '../cli/tool.js'
import { createRest } from './rest.js'

const PROGRESS_MS = 500

/** How far long work is, for people and for programs. */
export type Tell = () => { readonly line: string; readonly facts: Record<string, unknown> }

/**
 * To be called again and again in a loop of reads, as a rest is, and shows progress.
 * @throws {ToolError} after a signal, out of the function that is returned
 */
export function createBreath({ io, log }: Pick<Context, 'io' | 'log'>, tell: Tell): () => Promise<void> {
  const rest = createRest(io.interrupted)
  let shown = performance.now()
  return async () => {
    await rest()
    const now = performance.now()
    if (now - shown < PROGRESS_MS) return
    shown = now
    const { line, facts } = tell()
    log.progress(line, facts)
  }
}
