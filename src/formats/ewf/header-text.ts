import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'

/** Values of the `main` category by what the format calls them; what is not known has none. */
export interface HeaderValues {
  /** Case number. */
  readonly c?: string
  /** Evidence number. */
  readonly n?: string
  /** Description. */
  readonly a?: string
  /** Examiner. */
  readonly e?: string
  /** Notes. */
  readonly t?: string
  /** Model of the media. */
  readonly md?: string
  /** Serial number of the media. */
  readonly sn?: string
  /** Label of the device. */
  readonly l?: string
  /** Version of the program. */
  readonly av?: string
  /** Operating system of the machine that acquired. */
  readonly ov?: string
  /** When it was acquired. */
  readonly m?: string
  /** What the clock of the machine said then. */
  readonly u?: string
  /** Hash of a password that programs ask for; `0` where there is none. */
  readonly p?: string
  /** Compression: `n`, `f`, `b`. */
  readonly r?: string
  /** Process that the memory is of. */
  readonly pid?: string
  readonly dc?: string
  readonly ext?: string
}
export type HeaderName = keyof HeaderValues

/** In the order in which EnCase 4 to 7 write them. */
const HEADER_ORDER = ['c', 'n', 'a', 'e', 't', 'av', 'ov', 'm', 'u', 'p'] as const
/** In the order in which EnCase 6 and 7 write them. */
const HEADER2_ORDER = ['a', 'c', 'n', 'e', 't', 'md', 'sn', 'av', 'ov', 'm', 'u', 'p', 'dc'] as const

const NAMES: ReadonlySet<string> = new Set([...HEADER_ORDER, ...HEADER2_ORDER, 'l', 'r', 'pid', 'ext'])

/** Characters 0x80 to 0x9f of Windows-1252. */
const FROM_0X80 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

/** Sources and subjects, without any. */
const HEADER2_REST = [
  'srce',
  '0\t1',
  'p\tn\tid\tev\ttb\tlo\tpo\tah\tgu\taq',
  '0\t0',
  '\t\t\t\t\t-1\t-1\t\t\t',
  '',
  'sub',
  '0\t1',
  'p\tn\tid\tnu\tco\tgu',
  '0\t0',
  '\t\t\t\t1\t',
  '',
  '',
]

/**
 * The `main` category of a `header` or `header2` section.
 * @param bytes inflated: UTF-16 with its byte order mark; else UTF-8, or Windows-1252 where it is none
 * @returns undefined where there is none
 */
export function decodeHeaderText(bytes: Bytes): HeaderValues | undefined {
  const lines = textOf(bytes).split(/\r?\n|\r/)
  const main = lines.indexOf('main')
  if (main < 0) return undefined
  const names = lines[main + 1]?.split('\t') ?? []
  const values = lines[main + 2]?.split('\t') ?? []
  const found: Record<string, string> = {}
  for (const [index, name] of names.entries()) {
    const value = values[index]
    if (NAMES.has(name) && value !== undefined && value !== '') found[name] = value
  }
  return found
}

function textOf(bytes: Bytes): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return windows1252(bytes)
  }
}

/** Written out: Node's decoder of that name leaves some versions' 0x80 to 0x9f as they are. */
function windows1252(bytes: Bytes): string {
  return asBuffer(bytes)
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, (character) => FROM_0X80[character.charCodeAt(0) - 0x80]!)
}

/**
 * What a `header` section holds, before it is deflated: Latin-1, other characters as question marks.
 * @param values times as `headerTime` writes them
 */
export function encodeHeaderText(values: HeaderValues): Bytes {
  const text = ['1', 'main', HEADER_ORDER.join('\t'), row(HEADER_ORDER, values), '', ''].join('\r\n')
  return Buffer.from(text.replace(/[^\0-\xff]/gu, '?'), 'latin1')
}

/**
 * What a `header2` section holds, before it is deflated: UTF-16.
 * @param values times as `header2Time` writes them
 */
export function encodeHeader2Text(values: HeaderValues): Bytes {
  const main = ['3', 'main', HEADER2_ORDER.join('\t'), row(HEADER2_ORDER, values), '']
  return Buffer.from(`\ufeff${[...main, ...HEADER2_REST].join('\n')}`, 'utf16le')
}

/** A value has no tabs and no ends of lines. */
const row = (order: readonly HeaderName[], values: HeaderValues) =>
  order.map((name) => (values[name] ?? '').replace(/[\t\r\n]+/g, ' ')).join('\t')

/** A time as `header` has it: year, month, day, hour, minute, second. @param seconds since the Unix epoch, UTC */
export function headerTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  const day = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
  return [...day, date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].join(' ')
}

/** A time as `header2` has it. @param seconds since the Unix epoch, UTC */
export const header2Time = (seconds: number): string => String(Math.floor(seconds))

export interface HeaderTime {
  /** Since the Unix epoch. */
  readonly seconds: number
  /** The clock of a machine whose time zone nobody noted: `seconds` takes it for UTC. */
  readonly local: boolean
}

/** A time as `header` or `header2` have it; undefined where it is none. */
export function parseHeaderTime(written: string): HeaderTime | undefined {
  if (/^\d{1,12}$/.test(written)) return { seconds: Number(written), local: false }
  const parts = /^(\d{4}) (\d\d?) (\d\d?) (\d\d?) (\d\d?) (\d\d?)$/.exec(written)
  if (!parts) return undefined
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number)
  const time = Date.UTC(year!, month! - 1, day, hour, minute, second)
  return { seconds: time / 1000, local: true }
}
