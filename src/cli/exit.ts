/** Exit statuses, the same for every tool (pmem(7)); from 64 on they are those of sysexits.h. */
export const EXIT = {
  /** Everything asked for was done. */
  complete: 0,
  /** A verifier found a mismatch. */
  mismatch: 1,
  /** Done, with unreadable ranges or files, each recorded. */
  unreadable: 2,
  /** Output kept and labelled: truncated, interrupted or failed upstream. */
  incomplete: 3,
  usage: 64,
  /** Input is not what it should be. */
  data: 65,
  noInput: 66,
  /** A driver or device is missing. */
  unavailable: 69,
  internal: 70,
  cannotCreate: 73,
  io: 74,
  permission: 77,
  /** The pipe downstream closed: what a shell shows for SIGPIPE. */
  pipe: 141,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/**
 * A failure the user can act on. It is printed as `tool: message`, then `hint: …` where there is one.
 * The message names the thing, then why: `out.aff4: no space left on device`.
 */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly hint: string | undefined
  constructor(
    readonly exitCode: ExitCode,
    message: string,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hint = options.hint
  }
}
