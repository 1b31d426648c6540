import { asDataView } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'

const CALL = 0xe8
const CALL_SIZE = 5
/** What LZX takes for the size of the program, whatever it is. */
const PROGRAM_SIZE = 12_000_000
/** Calls that begin in the last bytes are left alone. */
const TAIL = 10

/** Makes absolute targets of x86 calls relative again, in place, as LZX demands of every chunk, program or not. */
export function undoCallTranslation(chunk: Bytes): void {
  const view = asDataView(chunk)
  const end = chunk.length - TAIL
  for (let at = chunk.indexOf(CALL); at >= 0 && at < end; at = chunk.indexOf(CALL, at + CALL_SIZE)) {
    const target = view.getInt32(at + 1, true)
    if (target >= -at && target < PROGRAM_SIZE)
      view.setInt32(at + 1, target >= 0 ? target - at : target + PROGRAM_SIZE, true)
  }
}
