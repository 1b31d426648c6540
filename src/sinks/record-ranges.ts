import { EXIT, ToolError } from '../cli/exit.js'
import type { StreamBody } from '../frames/frame.js'

const HINT = 'aff4-sink takes them, and aff4-cat sends them in order'

/** @throws {ToolError} where a stream's ranges may come in no order, or its addresses are not physical */
export function refuseUnfit(stream: StreamBody, format: string): void {
  if (stream.ordered === false)
    throw new ToolError(EXIT.data, `${stream.name}: its ranges come in no order`, { hint: HINT })
  if (stream.category === 'memory:virtual')
    throw new ToolError(EXIT.data, `${stream.name}: its addresses are virtual, those of ${format} physical`, {
      hint: 'elf-sink takes them',
    })
}

/** What comes at `address` where the next free one is `next`. */
export const outOfOrder = (address: bigint, next: bigint): ToolError =>
  new ToolError(
    EXIT.data,
    `address 0x${address.toString(16)} comes behind 0x${next.toString(16)}: ranges that do not ascend`,
    { hint: HINT },
  )
