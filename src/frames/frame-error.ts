import { FormatError } from '../formats/format-error.js'

/** Bytes that no writer of frames may send. The offset is that of the frame's header in the input. */
export class FrameError extends FormatError {
  override readonly name = 'FrameError'
}
