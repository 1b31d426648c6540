import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Image } from './image.js'

const UNIT = 4096

/** Bytes without a format: each at the address that is its offset. */
export function openRawImage(source: ByteSource): Image {
  if (source.size === 0n) throw new FormatError('an empty file')
  return {
    format: 'raw',
    variant: '',
    category: undefined,
    size: source.size,
    runs: [{ start: 0n, length: source.size }],
    holes: [],
    unit: UNIT,
    facts: {},
    digests: [],
    checks: [],
    incomplete: undefined,
    remarks: [],
    companions: [],
    read: (address, length, into) => source.read(address, length, into),
    async close() {},
  }
}
