import type { Log } from '../cli/messages.js'
import { type Output, openOutput } from '../cli/output.js'
import { type Space, spaceFor } from '../cli/space.js'
import type { Context } from '../cli/tool.js'
import { max } from '../formats/min-max.js'
import type { StreamBody } from '../frames/frame.js'
import { announcedBytes } from '../frames/streams.js'

/** Opens the output that the operand of a sink names. @throws {ToolError} as `openOutput` */
export function sinkOutput(context: Pick<Context, 'operands' | 'options'>): Output {
  return openOutput(context.operands[0]!, context.options.flag('truncate'), roomOf(context))
}

/** The room for what the operand of a sink names. @throws {ToolError} usage */
export const roomOf =
  ({ operands, options }: Pick<Context, 'operands' | 'options'>) =>
  (freed = 0n): Space =>
    spaceFor(operands[0]!, options, { freed })

/**
 * For outputs of several streams: the first is refused where it does not fit. Of one that comes when there is evidence
 * already it is only said: compressed it may fit, and a disk that is full keeps what came before.
 * @param there how many bytes of it the output has
 * @throws {ToolError}
 */
export function admitStream(
  space: Space,
  body: StreamBody,
  begun: boolean,
  log: Pick<Log, 'warn'>,
  there = 0n,
): void {
  const lack = space.lacks(max(0n, announcedBytes(body) - there))
  if (lack && !begun) throw lack
  if (lack) log.warn(`${body.name}: may not fit: ${lack.message}`)
}
