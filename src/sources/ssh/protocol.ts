import type { Bytes } from '../../formats/byte-source.js'

/*
 * What is said over a link: lines of shell to the far side, one answer for each in the order of asking.
 *
 *   <bytes of the file>
 *   newline NONCE blank SEQUENCE blank STATUS blank POSITION newline
 *   and where STATUS is not 0: what the shell or dd complained of, then newline NONCE newline
 *
 * POSITION is where the far kernel says that the file was left (/proc/self/fdinfo). The bytes are whatever memory
 * holds, a copy of such a line included: one counts only when the bytes before it are as many as its POSITION says,
 * which nobody knows before dd has read them.
 */

/** Bytes that dd reads and writes at a time. */
const LARGEST_BLOCK = 256n << 10n
/** What is longer is read in blocks of at least this. */
const BLOCK = 64n << 10n
/** A read of /proc brings a page at most, and counts as a block of dd's. */
const PAGE = 4096
/** STATUS, POSITION and what stands around them. */
const MOST_OF_LINE = 64
const MOST_OF_COMPLAINT = 1 << 16
const NEWLINE = 0x0a

/** The far side's answer is none. It comes from a machine that may be hostile. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** What is asked for with one line. */
export interface Question {
  readonly path: string
  readonly offset: bigint
  /** Bytes. */
  readonly length: bigint
}

/** How an answer ends. */
export interface Ending {
  /** Of dd: 0 where it has seen nothing wrong; undefined where the file could not be opened. */
  readonly status: number | undefined
  /** Where the file was left. */
  readonly position: bigint
  /** What the far side complained of. */
  readonly complaint: string
}

/**
 * What the far shell runs first. It answers as if it had been asked for nothing as number 0: with the status of dd,
 * which may be missing. Not one of its lines needs more than a shell and dd, and none writes a file, nor a here
 * document, which some shells keep in one.
 */
export const script = (nonce: string): string => `export LC_ALL=C
n=${nonce}
l='
'
exec 4>&1
a() {
echo "$l$n $1 \${2##*$l}"
case \${2##*$l} in 0\\ *) ;; *) echo "\${2%$l*}$l$n" ;; esac
}
r() {
a $1 "$(s=- p=-
{ { case $4 in 0) ;; *) dd bs=$3 skip=$4 count=0 <&3 ;; esac && dd bs=$5 count=$6 <&3 >&4
s=$?
read -r k p </proc/self/fdinfo/3
} 3<"$2"; } 2>&1
echo "$l$s $p")"
}
m() {
a $1 "$(s=- p=-
{ { dd bs=65536 <&3 >/dev/null
s=$?
read -r k p </proc/self/fdinfo/3
} 3<"$2"; } 2>&1
echo "$l$s $p")"
}
d() {
set -- $1 "$(echo "$2"/*)"
echo "$2"
a $1 "0 $((\${#2} + 1))"
}
a 0 "$({ dd count=0 </dev/null; } 2>&1; echo "$l$? 0")"
`

/** Asks for a part of a file. Parts are of one block or of whole blocks: see `partOf`. */
export function askForPart(sequence: number, { path, offset, length }: Question): string {
  const step = divisorOf(offset, LARGEST_BLOCK)
  const block = length < BLOCK ? length : divisorOf(length, LARGEST_BLOCK)
  const skip = offset === 0n ? 0n : offset / step
  const count = block === 0n ? 0n : length / block
  return `r ${sequence} ${quoted(path)} ${step} ${skip} ${block || 1n} ${count}\n`
}

/** Asks for a file of /proc or /sys from its beginning, at least `length` bytes of it where it has them. */
export const askForWhole = (sequence: number, path: string, length: number): string =>
  `r ${sequence} ${quoted(path)} 1 0 ${PAGE} ${Math.ceil(length / PAGE)}\n`

/** Asks for nothing but the POSITION at the end of a file. */
export const askForSize = (sequence: number, path: string): string => `m ${sequence} ${quoted(path)}\n`

/** Asks for the paths of all that a folder holds, blanks between them. */
export const askForList = (sequence: number, folder: string): string => `d ${sequence} ${quoted(folder)}\n`

/** How much of `length` bytes is asked for with one line. */
export function partOf(length: bigint, most: bigint): bigint {
  const part = length < most ? length : most
  return part < BLOCK ? part : part - (part % BLOCK)
}

const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`

/** The largest power of two that divides a number, and is not more than another. */
function divisorOf(number: bigint, most: bigint): bigint {
  const divisor = number & -number
  return divisor === 0n || divisor > most ? most : divisor
}

/** Takes answers apart, as their bytes come. */
export interface AnswerDecoder {
  /** The next answer begins: `offset` is that of its first byte in the file; undefined: any bytes may come before it. */
  begin(sequence: number, offset: bigint | undefined): void
  /** Takes what has come. */
  feed(bytes: Bytes): void
  /**
   * Copies bytes of the file into `into`, or tells how the answer ends; undefined: more has to come first.
   * @throws {ProtocolError} when there are more bytes, and `into` is empty
   */
  next(into: Bytes): number | Ending | undefined
}

/** @param nonce nobody else knows it */
export function createAnswerDecoder(nonce: string): AnswerDecoder {
  const close = Buffer.from(`\n${nonce}\n`)
  let mark = Buffer.alloc(0)
  let pending: Buffer = Buffer.alloc(0)
  let at: bigint | undefined
  let got = 0n
  let ending: Omit<Ending, 'complaint'> | undefined

  /** Of what is pending, bytes of the file for sure; 0 where a mark may begin. */
  function bytesOfFile(): number {
    const found = pending.indexOf(mark)
    return found < 0 ? pending.length - overlap(pending, mark) : found
  }

  /** The line at the beginning: `false` where it is none, undefined where it isn't all there. */
  function line(): Omit<Ending, 'complaint'> | false | undefined {
    if (pending.length < mark.length) return undefined
    const end = pending.indexOf(NEWLINE, mark.length)
    const length = (end < 0 ? pending.length : end) - mark.length
    if (length > MOST_OF_LINE) return false
    if (end < 0) return undefined
    const [, status, position] =
      /^(-|[0-9]{1,3}) (-|[0-9]{1,20})$/.exec(pending.toString('latin1', mark.length, end)) ?? []
    if (status === undefined || position === undefined) return false
    const told = {
      status: status === '-' ? undefined : Number(status),
      position: position === '-' ? 0n : BigInt(position),
    }
    if (got > 0n && at !== undefined && told.position !== at + got) return false
    pending = pending.subarray(end + 1)
    return told
  }

  function complaint(): string | undefined {
    const end = pending.indexOf(close)
    if (end > MOST_OF_COMPLAINT || (end < 0 && pending.length > MOST_OF_COMPLAINT))
      throw new ProtocolError('a complaint without end')
    if (end < 0) return undefined
    const text = pending.toString('latin1', 0, end)
    pending = pending.subarray(end + close.length)
    return text
  }

  function give(count: number, into: Bytes): number {
    if (into.length === 0) throw new ProtocolError('more bytes than were asked for')
    const given = pending.copy(into, 0, 0, Math.min(count, into.length))
    pending = pending.subarray(given)
    got += BigInt(given)
    return given
  }

  return {
    begin(sequence, offset) {
      mark = Buffer.from(`\n${nonce} ${sequence} `)
      at = offset
      got = 0n
      ending = undefined
    },
    feed(bytes) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    },
    next(into) {
      if (!ending) {
        const count = bytesOfFile()
        if (count > 0) return give(count, into)
        const told = line()
        if (told === undefined) return undefined
        if (told === false) return give(1, into)
        ending = told
      }
      const text = ending.status === 0 ? '' : complaint()
      return text === undefined ? undefined : { ...ending, complaint: text }
    },
  }
}

/** How many bytes at the end of `bytes` a `mark` may begin with. */
function overlap(bytes: Buffer, mark: Buffer): number {
  for (let length = Math.min(mark.length - 1, bytes.length); length > 0; length--)
    if (bytes.compare(mark, 0, length, bytes.length - length) === 0) return length
  return 0
}
