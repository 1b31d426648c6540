import { EXIT, ToolError } from '../cli/exit.js'
import type { Outcome } from '../cli/output.js'
import type { StreamFrame } from '../frames/frame.js'

/**
 * For sinks that hold one stream, in the end: none of what came had bytes.
 * @throws {ToolError} unless something else has gone wrong, which is told by itself
 */
export function refuseNone({ status }: Outcome): void {
  if (status === 'complete') throw new ToolError(EXIT.data, 'no stream with bytes came: nothing was written')
}

/**
 * For sinks that hold one stream: says of each STREAM whether it is the one. Helper files that come after a
 * memory map, folders and links don't count; a second stream is refused.
 * @throws {ToolError} listing the streams when several could be meant
 */
export function onlyStream(chosenByName: boolean): (frame: StreamFrame) => boolean {
  let taken: StreamFrame | undefined
  return (frame) => {
    const { kind, name } = frame.body
    if (kind === 'folder' || kind === 'link') return false
    if (!taken) {
      taken = frame
      return true
    }
    if (!chosenByName && taken.body.kind === 'map' && kind === 'image') return false
    throw new ToolError(EXIT.data, `more than one stream: ${taken.body.name}, ${name}`, {
      hint: `--stream '${taken.body.name}' takes one of them`,
    })
  }
}
