import { asBuffer } from '../codecs/views.js'
import type { Run } from './address-space.js'
import type { Bytes } from './byte-source.js'
import { FormatError } from './format-error.js'

// GNU ddrescue map file (ddrescue manual, "Mapfile structure"): text lines; `#` starts a comment. The first
// line that is none is the state of the run: position, status, pass. Each further one is a block: position,
// size, status. Blocks are contiguous. Numbers are decimal, 0x hexadecimal or 0 octal.

/** `?` never tried, `*` failed (not trimmed), `/` failed (not scraped), `-` unreadable, `+` read. */
export type BlockStatus = '?' | '*' | '/' | '-' | '+'
/** What ddrescue was doing: copying, trimming, scraping, retrying, filling, generating, finished. */
export type RunStatus = '?' | '*' | '/' | '-' | 'F' | 'G' | '+'

export interface MapBlock extends Run {
  readonly status: BlockStatus
}

export interface Mapfile {
  /** Where the run stood. */
  readonly position: bigint
  readonly status: RunStatus
  readonly pass: number
  /** Ascending and contiguous. */
  readonly blocks: readonly MapBlock[]
}

const BLOCK_STATUS = '?*/-+'
const RUN_STATUS = '?*/-FG+'
const SPACE = 1n << 64n

const isBlockStatus = (text: string): text is BlockStatus => text.length === 1 && BLOCK_STATUS.includes(text)
const isRunStatus = (text: string): text is RunStatus => text.length === 1 && RUN_STATUS.includes(text)

const hex = (value: bigint): string => `0x${value.toString(16).toUpperCase().padStart(8, '0')}`

/**
 * A whole map file. `comments` go first, a line each: who made it and of what. ddrescue itself reads
 * addresses below 2^63.
 */
export function encodeMapfile(
  { position, status, pass, blocks }: Mapfile,
  comments: readonly string[] = [],
): Bytes {
  const lines = comments.map((comment) => `# ${comment.replaceAll(/[\r\n]+/g, ' ')}\n`)
  lines.push(
    '# current_pos  current_status  current_pass\n',
    `${hex(position)}     ${status}               ${pass}\n`,
  )
  lines.push('#      pos        size  status\n')
  for (const block of blocks) lines.push(`${hex(block.start)}  ${hex(block.length)}  ${block.status}\n`)
  return Buffer.from(lines.join(''), 'utf8')
}

function parseNumber(text: string, line: number): bigint {
  const octal = /^0[0-7]+$/.test(text)
  if (!octal && !/^(0x[0-9a-f]{1,16}|[1-9][0-9]{0,19}|0)$/i.test(text))
    throw new FormatError(`map file line ${line}: not a number`)
  const value = BigInt(octal ? `0o${text}` : text.toLowerCase())
  if (value >= SPACE) throw new FormatError(`map file line ${line}: the number passes 64 bits`)
  return value
}

/** What stands behind `#` in the lines that are nothing else. */
export const commentsOf = (bytes: Bytes): string[] =>
  [
    ...asBuffer(bytes)
      .toString('utf8')
      .matchAll(/^#[ \t]*(.*?)[ \t\r]*$/gm),
  ].map(([, comment]) => comment!)

/**
 * Reads a map file.
 * @throws {FormatError} naming the line that is not as the format demands
 */
export function decodeMapfile(bytes: Bytes): Mapfile {
  const text = asBuffer(bytes).toString('latin1')
  const blocks: MapBlock[] = []
  let run: Omit<Mapfile, 'blocks'> | undefined
  let end: bigint | undefined
  let line = 0
  for (const content of text.split('\n')) {
    line++
    const words = content.replace(/#.*/s, '').trim().split(/\s+/)
    if (words[0] === '') continue
    const [first, second, third] = words as [string, string?, string?]
    if (!run) {
      const pass = third === undefined ? 1n : parseNumber(third, line)
      if (words.length > 3 || second === undefined || !isRunStatus(second))
        throw new FormatError(`map file line ${line}: not the state of a run`)
      run = { position: parseNumber(first, line), status: second, pass: Number(pass) }
      continue
    }
    if (words.length !== 3 || second === undefined || third === undefined || !isBlockStatus(third))
      throw new FormatError(`map file line ${line}: not a block`)
    const [start, length] = [parseNumber(first, line), parseNumber(second, line)]
    if (length === 0n || start + length > SPACE)
      throw new FormatError(`map file line ${line}: a block of this size cannot be`)
    if (end !== undefined && start !== end)
      throw new FormatError(`map file line ${line}: the block does not follow the one before`)
    end = start + length
    blocks.push({ start, length, status: third })
  }
  if (!run) throw new FormatError('map file: no state line')
  return { ...run, blocks }
}
