import type { Outcome } from '../../cli/output.js'
import type { Bytes } from '../../formats/byte-source.js'

/** One of several outputs that the same frames go to. */
export interface Branch {
  /** What a message calls it. */
  readonly name: string
  /** Writes pieces in order, whole. @throws when it takes no more */
  write(pieces: Bytes[]): Promise<void>
  /** Fulfilled when it has ended before all was written, by itself. */
  readonly gone?: Promise<Ended>
  /**
   * Stops writing, in the middle of a frame, so that who reads sees a stump; whatever `write` holds is free again.
   * Where there is none, a write cannot be given up.
   */
  cutOff?(): void
  /** Sends a signal to all its processes. */
  kill?(signal: NodeJS.Signals): void
  /** No more will be written. @returns how it ended */
  finish(outcome: Outcome): Promise<Ended>
}

export interface Ended {
  readonly exit: number
  /** Why, where the exit status alone does not tell. */
  readonly reason?: string
}
