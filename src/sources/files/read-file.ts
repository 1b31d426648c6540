import fs, { type BigIntStats } from 'node:fs'
import { reasonOf } from '../../cli/failure.js'
import { showSize } from '../../cli/sizes.js'
import type { Bytes } from '../../formats/byte-source.js'
import { isDamage } from '../../formats/format-error.js'
import { formatAddress } from '../../frames/address.js'
import type { Batch, StreamBody } from '../../frames/frame.js'
import { withinReach } from '../../platform/linux/long-path.js'
import { readUninterrupted } from '../../platform/read-uninterrupted.js'
import { readRun } from '../read-run.js'
import type { Reach } from '../reading.js'
import type { Medium, ReadBytes } from '../salvage.js'
import type { StreamFrames } from '../stream-frames.js'
import { describeFile } from './file-facts.js'
import { displayPath } from './name.js'
import { readToEnd } from './read-to-end.js'
import { attributesOf, beginStream, endStream, noteStream, type Session } from './session.js'
import { pathStreamName } from './system-path.js'

/** Errors that mean bytes on a medium; any other ends the reading of this file. */
const DAMAGE = new Set(['EIO', 'EILSEQ', 'ENODATA', 'EREMOTEIO', 'ETIMEDOUT', 'EBADMSG', 'EUCLEAN'])
/** What a file system reads, and loses, at once. */
const FILE_UNIT = 4096
const RETRIES = 2

/** Where a walk stops reading a file of a pseudo file system: some have no end. */
const MOST_PSEUDO = 64n << 20n
/** A pseudo file that claims more than this is an address space, and no document. */
const LARGEST_PSEUDO = 1n << 40n

/** Whether the user named it, or a walk came upon it. */
export type Origin = 'named' | 'walked'

/**
 * A regular file as a stream. One that cannot be opened has its stream all the same, unreadable and failed.
 * @param stat from before it was opened
 */
export async function* readFile(
  session: Session,
  path: Buffer,
  stat: BigIntStats,
  origin: Origin,
): AsyncGenerator<Batch> {
  let fd: number
  try {
    fd = withinReach(path, (at) => openFile(at, origin))
  } catch (error) {
    if (!isDamage(error)) throw error
    sendUnopened(session, path, stat, error)
    return
  }
  try {
    const opened = fs.fstatSync(fd, { bigint: true })
    const pseudo = session.isPseudo(opened.dev)
    if (!opened.isFile()) sendUnopened(session, path, stat, new Error('is no longer the file it was'))
    else if (pseudo || opened.size === 0n) {
      const most = pseudo && origin === 'walked' ? MOST_PSEUDO : undefined
      yield* readUnsized(session, path, opened, fd, most)
    } else yield* readSized(session, path, opened, fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Leaves the access time alone where the system allows that, and never waits for a FIFO that took its place. */
function openFile(path: Buffer, origin: Origin): number {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_NOATIME = 0 } = fs.constants
  const flags = O_RDONLY | O_NONBLOCK | (origin === 'walked' ? O_NOFOLLOW : 0)
  try {
    return fs.openSync(path, flags | O_NOATIME)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
    // Only the owner and root may ask for that.
    return fs.openSync(path, flags)
  }
}

function sendUnopened(session: Session, path: Buffer, stat: BigIntStats, error: unknown): void {
  const size = session.isPseudo(stat.dev) ? undefined : stat.size
  const frames = beginStream(session, imageOf(path, size), describeFile(path, stat, size))
  endUnread(session, frames, path, size ?? 0n, error)
}

/** Ends a stream of which nothing could be read. */
export function endUnread(
  session: Session,
  frames: StreamFrames,
  path: Buffer,
  size: bigint,
  error: unknown,
): void {
  frames.fill('unreadable', 0n, size)
  noteStream(session, frames, 'error', path, reasonOf(error))
  endStream(session, frames, error)
}

async function* readUnsized(
  session: Session,
  path: Buffer,
  stat: BigIntStats,
  fd: number,
  most: bigint | undefined,
): AsyncGenerator<Batch> {
  if (stat.size >= LARGEST_PSEUDO) {
    sendUnopened(
      session,
      path,
      stat,
      new Error('an address space, not a file; pmem-read takes physical memory'),
    )
    return
  }
  const attributes = session.isPseudo(stat.dev) ? [] : attributesOf(session, path, fd)
  const announce = (size: bigint | undefined) =>
    beginStream(session, imageOf(path, size), describeFile(path, stat, size, attributes))
  yield* readToEnd(session, { path, announce, read: (into) => fillFrom(fd, into), most })
}

/** Pseudo files give little at a time. What has nothing more for now is at its end. */
function fillFrom(fd: number, into: Bytes): number {
  let filled = 0
  try {
    while (filled < into.length) {
      const count = readUninterrupted(fd, into, filled, into.length - filled, null)
      if (count === 0) break
      filled += count
    }
  } catch (error) {
    if (filled === 0 && (error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
  return filled
}

function imageOf(path: Buffer, size: bigint | undefined): StreamBody {
  return { ...pathStreamName(path), kind: 'image', ...(size !== undefined && { size: formatAddress(size) }) }
}

async function* readSized(
  session: Session,
  path: Buffer,
  stat: BigIntStats,
  fd: number,
): AsyncGenerator<Batch> {
  const facts = describeFile(path, stat, stat.size, attributesOf(session, path, fd))
  const frames = beginStream(session, imageOf(path, stat.size), facts)
  const { end, failure } = yield* readMedium(session, frames, path, mediumOf(fd, FILE_UNIT), stat.size)
  if (session.interrupted.aborted) return
  const left = fs.fstatSync(fd, { bigint: true })
  if (end < stat.size && failure === undefined) {
    noteStream(session, frames, 'warning', path, `shrank from ${stat.size} to ${end} bytes while it was read`)
    session.onMissing()
  } else if (left.size > stat.size) {
    const grown = `grew from ${stat.size} to ${left.size} bytes while it was read; the first ${stat.size} are here`
    noteStream(session, frames, 'warning', path, grown)
  } else if (left.size < stat.size || left.mtimeNs !== stat.mtimeNs) {
    noteStream(session, frames, 'warning', path, 'changed while it was read')
  }
  endStream(session, frames, failure)
}

/**
 * The bytes up to `size`, of a stream that has just begun. What comes after a failure is unreadable, what comes
 * after the medium's end is unknown, so that there is no gap.
 * @throws what is no error of the system: it says nothing about the medium
 */
export async function* readMedium(
  session: Session,
  frames: StreamFrames,
  path: Buffer,
  medium: Medium,
  size: bigint,
): AsyncGenerator<Batch, Reach> {
  const { interrupted, log, reader } = session
  const pieces = session.sampling?.piecesOf(size)
  const reading = { frames, medium, interrupted, reader, pieces }
  const reach = yield* readRun(reading, { start: 0n, length: size })
  if (interrupted.aborted) return reach
  if (reach.failure !== undefined && !isDamage(reach.failure)) throw reach.failure
  if (reach.failure === undefined) frames.fill('unknown', reach.end, size - reach.end)
  else frames.failed(reach.end, size - reach.end, reach.failure)
  const { unreadable, failure } = frames.tally
  if (unreadable > 0n)
    log.error(`${displayPath(path)}: ${showSize(unreadable)} unreadable: ${reasonOf(failure)}`)
  return reach
}

/** How a descriptor is read, and which of its errors are damage. */
export function mediumOf(fd: number, unit: number): Medium {
  return {
    read: readAt(fd),
    place: (position) => ({ fd, position }),
    unit,
    retries: RETRIES,
    isDamage: (error) => DAMAGE.has((error as NodeJS.ErrnoException).code ?? ''),
  }
}

export function readAt(fd: number): ReadBytes {
  return (address, length, slab) => slab.subarray(0, readUninterrupted(fd, slab, 0, length, address))
}
