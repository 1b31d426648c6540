import type { BigIntStats } from 'node:fs'
import { EXIT, ToolError } from './exit.js'

type Identity = Pick<BigIntStats, 'dev' | 'ino'>

/** Whether two files that are there are one, by whatever names. */
export const isSameFile = (a: Identity | undefined, b: Identity | undefined): boolean =>
  a !== undefined && a.dev === b?.dev && a.ino === b.ino

/**
 * Refuses an output that is an input.
 * @param output what a message calls it
 * @throws {ToolError}
 */
export function refuseSameFile(
  output: string,
  there: Identity | undefined,
  input: Identity | undefined,
): void {
  if (isSameFile(there, input)) throw new ToolError(EXIT.usage, `${output}: input and output are one file`)
}
