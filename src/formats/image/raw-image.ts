import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Image } from './image.js'

const UNIT = 4096
/** Where devices begin in a PC. */
const HOLE_START = 0xc0000000n

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
    remarks: remarksOn(source),
    companions: [],
    read: (address, length, into) => source.read(address, length, into),
    async close() {},
  }
}

/** Memory of VMware without its checkpoint has nothing but its name. */
const remarksOn = ({ name, size }: ByteSource): string[] =>
  /\.vmem$/i.test(name) && size > HOLE_START
    ? [
        'a .vmem without its .vmss or .vmsn beside it: what stands above 3 GiB in the file is elsewhere in the machine',
      ]
    : []
