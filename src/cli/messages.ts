/** Messages to standard error: `tool: what: why`, then `hint: …`; JSON lines with `--log json`. */
export interface Log {
  error(message: string, hint?: string): void
  warn(message: string, hint?: string): void
  /** Shown unless -q. */
  info(message: string): void
  /** Shown with -v. */
  verbose(message: string): void
  /** Shown with -d. */
  debug(message: string): void
}
