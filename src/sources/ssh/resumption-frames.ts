import { formatTime } from '../../formats/image/facts.js'
import { formatAddress } from '../../frames/address.js'
import type { Batch, Frame, Frames } from '../../frames/frame.js'
import { describe, text } from '../facts.js'
import type { Place, Resumption } from './session.js'

/**
 * The same frames; whenever reading has gone on over another link, a NOTE and META say so in the stream that is open.
 * @param take those not told yet
 * @param addressOf where in the stream a place in a file of the host stands; undefined: in none
 */
export async function* withResumptions(
  frames: Frames,
  take: () => readonly Resumption[],
  addressOf: (at: Place) => bigint | undefined,
  program: string,
): Frames {
  let open = 0
  const told = (): Batch =>
    take().flatMap((resumption) => {
      const { at } = resumption
      return framesOf(resumption, open, open === 0 || !at ? undefined : addressOf(at), program)
    })
  try {
    for await (const batch of frames) {
      for (const { type, stream } of batch)
        if (type === 'stream') open = stream
        else if (type === 'close') open = 0
      yield batch
      const batchOfTold = told()
      if (batchOfTold.length > 0) yield batchOfTold
    }
  } catch (error) {
    const rest = told()
    if (rest.length > 0) yield rest
    throw error
  }
}

function framesOf(
  { why, lost, resumed }: Resumption,
  stream: number,
  address: bigint | undefined,
  program: string,
): Frame[] {
  const [from, to] = [lost, resumed].map((time) => formatTime(BigInt(time) * 1_000_000n))
  const place = address === undefined ? '' : ` at ${formatAddress(address)}`
  const message = `the link broke off at ${from} (${why}); reading went on${place} at ${to}`
  const where = address === undefined ? {} : { offset: formatAddress(address) }
  const value = [
    address === undefined ? '' : `address=${formatAddress(address)} `,
    `lost=${from} resumed=${to}`,
  ]
  return [
    { type: 'note', stream, time: 0n, body: { level: 'warning', program, message, ...where } },
    { type: 'meta', stream, time: 0n, turtle: describe([], { 'pmem:resumption': text(value.join('')) }) },
  ]
}
