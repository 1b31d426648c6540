import { EXIT, ToolError } from '../../cli/exit.js'
import { fillSymbolic, type SymbolicContent } from '../../formats/aff4/symbolic.js'
import type { Archive, GrowingMember } from '../../formats/aff4/zip/archive.js'
import type { Bytes } from '../../formats/byte-source.js'
import { clipLength } from '../../formats/clip-length.js'
import { chunkContent } from '../../frames/chunk-content.js'
import type { DataFrame, FillFrame, MetaFrame, StreamBody } from '../../frames/frame.js'
import { announcedSize } from '../../frames/streams.js'
import { addReadable, NO_FACTS } from '../files/restored-facts.js'
import { MOST_PADDING, tooMuchPadding } from '../raw-placement.js'
import type { MemberNames } from './member-names.js'

/** Up to here a file is gathered: it has its name and its sizes before its first byte is written. */
const GATHERED = 4 << 20
const PIECE = 1 << 20

/** One file on its way into an archive. */
export interface ZipFile {
  data(frame: DataFrame): Promise<void>
  fill(frame: FillFrame): Promise<void>
  meta(frame: MetaFrame): void
  /** @returns whether it is in the directory */
  end(complete: boolean): Promise<boolean>
}

export function openZipFile(archive: Archive, body: StreamBody, names: MemberNames, output: string): ZipFile {
  // Who reads a pipe is helped by sizes in front; in a file they can be written later, and what is written is not lost.
  const most = archive.seekable ? PIECE : GATHERED
  let facts = NO_FACTS
  let gathered: Buffer = Buffer.alloc(0)
  let held = 0
  let member: GrowingMember | undefined
  const announced = announcedSize(body)
  let next = 0n
  let padding = 0n
  let piece: Buffer | undefined

  const known = () => ({
    mode: facts.mode ?? 0o600,
    ...(facts.times && { modified: facts.times.written }),
  })

  async function put(bytes: Bytes): Promise<void> {
    next += BigInt(bytes.length)
    if (member) return member.write(bytes)
    if (held + bytes.length <= most) return gather(bytes)
    const first = gathered.subarray(0, held)
    const sample = first.length > 0 ? first : bytes.subarray(0, PIECE)
    member = await archive.begin(names.name, sample, known(), announced > 0n ? announced : undefined)
    await member.write(first)
    gathered = Buffer.alloc(0)
    await member.write(bytes)
  }

  function gather(bytes: Bytes): void {
    if (held + bytes.length > gathered.length) {
      const larger = Buffer.allocUnsafe(Math.min(most, 2 * (held + bytes.length)))
      gathered.copy(larger, 0, 0, held)
      gathered = larger
    }
    gathered.set(bytes, held)
    held += bytes.length
  }

  async function make(to: bigint, content: SymbolicContent): Promise<void> {
    while (next < to) {
      const left = to - next
      piece ??= Buffer.allocUnsafe(PIECE)
      const into = piece.subarray(0, clipLength(PIECE, left))
      fillSymbolic(content, next, into)
      await put(into)
    }
  }

  async function padTo(offset: bigint): Promise<void> {
    padding += offset - next
    if (padding > MOST_PADDING) throw tooMuchPadding(output, padding)
    await make(offset, 'zero')
  }

  return {
    meta({ turtle }) {
      facts = addReadable(facts, turtle)
    },
    async data(frame) {
      if (frame.offset < next) throw disordered(body)
      await padTo(frame.offset)
      await put(chunkContent(frame, body.chunkSize))
    },
    async fill({ offset, length, fill, value }) {
      if (offset < next) throw disordered(body)
      await padTo(offset)
      await make(offset + length, fill === 'byte' ? (value ?? 0) : fill)
    },
    async end(complete) {
      if (complete && announced > next) await padTo(announced)
      const name = complete ? names.name : names.partial
      if (member) return member.end(name)
      await archive.add(name, gathered.subarray(0, held), known())
      return true
    },
  }
}

const disordered = ({ name }: StreamBody) =>
  new ToolError(EXIT.data, `${name}: its ranges come in no order`, {
    hint: 'files-sink and aff4-sink take them',
  })
