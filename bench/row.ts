import { type Measured, ratioOf } from './measure.js'

/**
 * Prints how many times as fast as `base` something was, in the median and between the least and the most of one round,
 * the same of processor time, and the figure that is to be reached.
 */
export type Row = (what: string, base: Measured, measured: Measured, target: number, detail: string) => void

export const row: Row = (what, base, measured, target, detail) => {
  const { median, least, most } = ratioOf(base, measured)
  const processor = base.processor / measured.processor
  console.log(
    `${what.padEnd(44)} ${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})  processor ${processor.toFixed(2)}  to reach ${target.toFixed(2)}\n  ${detail}`,
  )
}

export const tellOthers = (others: number): void =>
  console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)
