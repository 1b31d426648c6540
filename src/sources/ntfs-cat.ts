import { EXIT, ToolError } from '../cli/exit.js'
import { asToolError, reasonOf } from '../cli/failure.js'
import type { Log } from '../cli/messages.js'
import { NTFS_OPTIONS, openNtfsImage } from '../cli/ntfs-image.js'
import type { Tool } from '../cli/tool.js'
import { isDamage } from '../formats/format-error.js'
import { ATTRIBUTE_FLAG } from '../formats/ntfs/attribute.js'
import { changeSince } from '../formats/ntfs/changes.js'
import { type Content, openContent } from '../formats/ntfs/content.js'
import type { DeletedLinks } from '../formats/ntfs/deleted-links.js'
import type { GiveDeleted } from '../formats/ntfs/find-target.js'
import type { NtfsVolume } from '../formats/ntfs/volume.js'
import { encodeWtf8 } from '../formats/ntfs/wtf8.js'
import { formatAddress } from '../frames/address.js'
import type { Batch } from '../frames/frame.js'
import { streamName } from './files/name.js'
import {
  beginStream,
  endStream,
  miss,
  noteStream,
  noteTransmission,
  type StreamSession,
} from './files/session.js'
import { findStream, type NamedStream } from './ntfs/named-stream.js'
import { createRooms, type Rooms, sendContent } from './ntfs/send-content.js'
import { describeStream } from './ntfs/stream-facts.js'
import { createOutbox } from './outbox.js'
import type { StreamFrames } from './stream-frames.js'

/** ntfs-cat: files of an NTFS volume as streams. */
export const tool: Tool = {
  name: 'ntfs-cat',
  role: 'source',
  usage: 'IMAGE PATH|INODE…',
  summary: 'files and other streams of an NTFS volume, without mounting it',
  options: {
    deleted: { help: 'look for files that are no longer in use, too' },
    ...NTFS_OPTIONS,
  },
  operands: [2, Number.POSITIVE_INFINITY],
  async run({ operands: [image, ...operands], options, log, io }) {
    let missing = false
    const snapshot = options.value('snapshot')
    const exit = await io.transmit(
      catStreams({
        open: (ownLog) => openNtfsImage(image!, options, ownLog),
        operands,
        deleted: options.flag('deleted'),
        snapshot: snapshot === undefined ? undefined : Number(snapshot),
        log,
        program: tool.name,
        interrupted: io.interrupted,
        batchesAlive: io.batchesAlive,
        onMissing: () => (missing = true),
      }),
    )
    return exit === EXIT.complete && missing ? EXIT.unreadable : exit
  },
}

export interface CatStreams {
  /** Opens the volume. What is found to be wrong with it, then and later, goes to the log. */
  open(log: Log): Promise<NtfsVolume>
  /** Paths and record numbers (formats/ntfs/path.ts). */
  readonly operands: readonly string[]
  /** Whether files that are no longer in use are looked for. */
  readonly deleted: boolean
  /** Which shadow copy it is. */
  readonly snapshot: number | undefined
  readonly log: Log
  /** Named in notes. */
  readonly program: string
  readonly interrupted: AbortSignal
  readonly batchesAlive: number
  /** Told when an operand has no stream: the transmission is complete all the same. */
  onMissing(): void
}

interface Session extends StreamSession {
  readonly snapshot: number | undefined
  readonly rooms: Rooms
  /** The stream that is being sent. */
  sending: StreamFrames | undefined
}

/**
 * A stream for each operand. One of several that cannot be had is noted and left out.
 * @throws {ToolError} when there is nothing to send
 */
export async function* catStreams({ open, operands, deleted, ...given }: CatStreams): AsyncGenerator<Batch> {
  const outbox = createOutbox(given.batchesAlive)
  const rooms = createRooms(outbox.size, given.batchesAlive)
  const session: Session = { ...given, outbox, rooms, streams: 0, sending: undefined }
  const warn = (message: string) => {
    if (session.sending) session.sending.note('warning', message)
    else noteTransmission(session, 'warning', message)
    given.log.warn(message)
  }
  const volume = await open({ ...given.log, warn })
  const giveDeleted = deleted ? deletedLinksOf(volume) : undefined
  try {
    for (const operand of operands) {
      if (given.interrupted.aborted) break
      yield* catOperand(session, volume, operand, giveDeleted, operands.length === 1)
      volume.forget()
    }
  } finally {
    await volume.close()
  }
  yield outbox.take()
  if (session.streams === 0 && !given.interrupted.aborted)
    throw new ToolError(EXIT.noInput, 'none of the operands could be read')
}

/** Scans the volume when it is first asked, and once. */
function deletedLinksOf(volume: NtfsVolume): GiveDeleted {
  let links: Promise<DeletedLinks> | undefined
  const read = async () => (await import('../formats/ntfs/deleted-links.js')).readDeletedLinks(volume)
  return () => (links ??= read())
}

async function* catOperand(
  session: Session,
  volume: NtfsVolume,
  operand: string,
  deleted: GiveDeleted,
  alone: boolean,
): AsyncGenerator<Batch> {
  let stream: NamedStream
  let content: Content
  try {
    stream = await findStream(volume, operand, deleted)
    content = await openContent(volume, stream.file, stream.attribute)
  } catch (error) {
    if (alone) {
      const { exitCode, hint } = asToolError(error)
      throw new ToolError(exitCode, `${operand}: ${reasonOf(error)}`, {
        ...(hint !== undefined && { hint }),
        cause: error,
      })
    }
    if (!isDamage(error) && !(error instanceof ToolError)) throw error
    miss(session, Buffer.from(operand), error)
    return
  }
  yield* catStream(session, volume, stream, content)
}

async function* catStream(
  session: Session,
  volume: NtfsVolume,
  stream: NamedStream,
  content: Content,
): AsyncGenerator<Batch> {
  const path = encodeWtf8(stream.path)
  const category = PAGE_FILE.test(stream.path) ? { category: 'memory:pagefile' } : {}
  const body = { ...streamName(path), kind: 'image', ...category, size: formatAddress(content.size) } as const
  const frames = beginStream(session, body, describeStream(stream, path, content.size, session.snapshot))
  session.sending = frames
  if ((stream.attribute.flags & ATTRIBUTE_FLAG.ENCRYPTED) !== 0)
    noteStream(session, frames, 'warning', path, 'encrypted: these are the bytes as they are stored')
  yield* sendContent(session, frames, path, content, session.rooms)
  if (session.interrupted.aborted) return
  const change = await changeSince(volume, stream.file, stream.attribute)
  if (change !== undefined)
    noteStream(session, frames, 'warning', path, `changed while it was read: ${change}`)
  session.sending = undefined
  endStream(session, frames)
}

/** Where Windows keeps what it has moved out of memory. */
const PAGE_FILE = /^(?:pagefile|swapfile)\.sys$/i
