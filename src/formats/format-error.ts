/**
 * Input that is not what its format demands. `offset` is where in the input, when that is known; `hint` what can be
 * done about it.
 */
export class FormatError extends Error {
  override readonly name: string = 'FormatError'
  constructor(
    message: string,
    readonly offset?: bigint,
    readonly hint?: string,
  ) {
    super(offset === undefined ? message : `${message} (at 0x${offset.toString(16)})`)
  }
}

/** What the evidence does, not the program: damage that a format found, and errors of the system. */
export const isDamage = (error: unknown): error is Error =>
  error instanceof FormatError || (error instanceof Error && 'errno' in error)
