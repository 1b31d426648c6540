import type { Run } from '../formats/address-space.js'
import { EXIT, ToolError } from './exit.js'

const UNITS: Record<string, bigint> = { '': 1n, k: 1n << 10n, m: 1n << 20n, g: 1n << 30n, t: 1n << 40n }

/**
 * Reads `4096`, `32k`, `1M`, `0x1000`: bytes; the suffixes are powers of 1024.
 * @throws {ToolError} usage
 */
export function parseSize(text: string): bigint {
  const match = /^(?:(0x[0-9a-f]+)|([0-9]+)([kmgt]?))$/i.exec(text)
  if (!match) throw new ToolError(EXIT.usage, `${text}: not a size (4096, 32k, 1M, 0x1000)`)
  return match[1] ? BigInt(match[1]) : BigInt(match[2]!) * UNITS[match[3]!.toLowerCase()]!
}

/**
 * Reads `0x1000-0x9f000` (end exclusive) or `0x1000+0x9e000`.
 * @throws {ToolError} usage
 */
export function parseRange(text: string): Run {
  const match = /^([0-9a-z]+)([-+])([0-9a-z]+)$/i.exec(text)
  if (!match) throw new ToolError(EXIT.usage, `${text}: not a range (0x1000-0x9f000 or 0x1000+0x9e000)`)
  const start = parseSize(match[1]!)
  const second = parseSize(match[3]!)
  const length = match[2] === '+' ? second : second - start
  if (length <= 0n) throw new ToolError(EXIT.usage, `${text}: an empty range`)
  return { start, length }
}

const STEPS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** Bytes for people: `512 B`, `1.5 GiB`. */
export function showSize(bytes: bigint | number): string {
  let value = Number(bytes)
  let step = 0
  while (value >= 1024 && step < STEPS.length - 1) {
    value /= 1024
    step++
  }
  return `${step === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${STEPS[step]}`
}
