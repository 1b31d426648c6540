import { type BigIntStats, lstatSync } from 'node:fs'
import { isDamage } from '../../formats/format-error.js'
import { withinReach } from '../../platform/linux/long-path.js'
import { pseudoFileSystem } from '../../platform/linux/mounts.js'
import { joinPath, listDirectory } from './directory.js'
import { displayPath } from './name.js'

/** What a walk comes upon. */
export interface Found {
  readonly path: Buffer
  /** Absent where it could not be looked at. */
  readonly stat?: BigIntStats
  /** Why it, or what is in it, could not be looked at. */
  readonly error?: unknown
  /** Why it is left out, though it is there. */
  readonly skipped?: string
}

/**
 * A directory and everything below it, in byte order, each directory before what it holds. Links are not
 * followed. Of a walk onto other file systems, those that show the kernel's state instead of stored bytes
 * are left out; a directory that is one of those above it, as a bind mount makes it, is not entered. The memory
 * taken is that of the names beside the way down.
 * @param stat of `root`
 */
export function* walk(root: Buffer, stat: BigIntStats): Generator<Found> {
  const open: { path: Buffer; stat: BigIntStats; names: Iterator<Buffer> }[] = []
  const above = new Map<string, Buffer>()

  function* enter(path: Buffer, own: BigIntStats): Generator<Found> {
    try {
      open.push({ path, stat: own, names: listDirectory(path) })
      above.set(identityOf(own), path)
      yield { path, stat: own }
    } catch (error) {
      if (!isDamage(error)) throw error
      yield { path, stat: own, error }
    }
  }

  yield* enter(root, stat)
  for (let within = open.at(-1); within; within = open.at(-1)) {
    const next = within.names.next()
    if (next.done) {
      above.delete(identityOf(within.stat))
      open.pop()
      continue
    }
    const path = joinPath(within.path, next.value)
    const found = look(path)
    if (!found.stat?.isDirectory()) {
      yield found
      continue
    }
    const pseudo = found.stat.dev === within.stat.dev ? undefined : pseudoFileSystem(found.stat.dev)
    const same = above.get(identityOf(found.stat))
    if (same) yield { ...found, error: new Error(`is ${displayPath(same)} again, which it lies in`) }
    else if (pseudo === undefined) yield* enter(path, found.stat)
    else yield { ...found, skipped: `a ${pseudo} file system, read only where it is named` }
  }
}

const identityOf = ({ dev, ino }: BigIntStats) => `${dev} ${ino}`

function look(path: Buffer): Found {
  try {
    const stat = withinReach(path, (at) => lstatSync(at, { bigint: true }))
    const skipped = notEvidence(stat)
    return skipped === undefined ? { path, stat } : { path, stat, skipped }
  } catch (error) {
    if (!isDamage(error)) throw error
    return { path, error }
  }
}

/** What has no bytes of its own, or none that a walk should fetch. */
function notEvidence(stat: BigIntStats): string | undefined {
  if (stat.isFIFO()) return 'a named pipe'
  if (stat.isSocket()) return 'a socket'
  if (stat.isCharacterDevice()) return 'a character device'
  if (stat.isBlockDevice()) return 'a block device, read only where it is named'
  return undefined
}
