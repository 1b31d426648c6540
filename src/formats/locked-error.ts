/** Input that is what it should be, but opens to a secret only: one that was not given, or not the right one. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
  constructor(
    message: string,
    /** What would open it, where nothing was given. */
    readonly opens: readonly ('password' | 'certificate')[] = [],
  ) {
    super(message)
  }
}
