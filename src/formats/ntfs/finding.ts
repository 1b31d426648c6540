import { FormatError } from '../format-error.js'

/** Something about a volume that is not as it should be, and that reading goes on after. */
export interface Finding {
  /** A sentence without full stop: what is wrong, and what was done about it. */
  readonly message: string
  /** Number of the MFT record it is about. */
  readonly record?: number
  /** Byte offset, in the volume or the stream that `message` names. */
  readonly offset?: bigint
}

export type Report = (finding: Finding) => void

/** One object of a volume that cannot be read; the rest of the volume can. */
export class NtfsError extends FormatError {
  override readonly name = 'NtfsError'
}
