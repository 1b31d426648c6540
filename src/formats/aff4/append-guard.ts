import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { readUninterrupted } from '../../platform/read-uninterrupted.js'
import type { ByteSource } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { openFileSource } from '../file-source.js'
import { FormatError } from '../format-error.js'
import { removeFile } from '../remove-file.js'
import { syncFolder } from '../sync-folder.js'

/**
 * While something is appended to a volume, a file beside it, `OUT.append`, says how the volume was, in three
 * lines of text:
 *
 *     pmem append
 *     length 3177529
 *     sha256 SHA-256 of the 65536 bytes before that length, or of all there are
 *
 * It is on the disk before the first byte is appended, and goes when all of them are. An append never changes a
 * byte before the old length, so whoever finds a guard has the old volume.
 */
const FIRST_LINE = 'pmem append\n'
const WHOLE = /^pmem append\nlength ([0-9]{1,20})\nsha256 ([0-9a-f]{64})\n$/
const LONGEST = 4096
const TAIL = 65536

export interface AppendGuard {
  /** Where it stands. */
  readonly name: string
  /** Length of the volume as it was, in bytes. */
  readonly length: bigint
  /** Whether the volume still begins with what it was then; false where another file took its place. */
  readonly fits: boolean
}

/** The guard of an append that is under way here. */
export interface HeldGuard extends AppendGuard {
  /** Until somebody takes the guard away, or puts another file where the volume is. */
  readonly held: boolean
}

/** Where the guard of a volume stands: beside the file itself, whatever link leads there. */
export function guardName(volume: string): string {
  try {
    return `${fs.realpathSync(volume)}.append`
  } catch {
    return `${path.resolve(volume)}.append`
  }
}

/**
 * The guard beside a volume, if there is one: an append is under way, or was not finished.
 * @throws {FormatError} when the file of that name is none; the operating system's error
 */
export async function readGuard(volume: string): Promise<AppendGuard | undefined> {
  const name = guardName(volume)
  const text = readText(name)
  if (text === undefined) return undefined
  const source = openFileSource(volume)
  try {
    const [, digits, sha256] = WHOLE.exec(text) ?? []
    if (digits === undefined) {
      if (!isGuard(text))
        throw new FormatError(`${name}: stands where the guard of an append would, and is none`)
      // Whoever died before it was whole had not begun to append.
      return { name, length: source.size, fits: true }
    }
    const length = BigInt(digits)
    return { name, length, fits: length <= source.size && (await tailSum(source, length)) === sha256 }
  } finally {
    await source.close()
  }
}

/** A guard, or the beginning of one, as a crash leaves it. */
function isGuard(text: string): boolean {
  const begun = text.replace(/\0+$/, '')
  return FIRST_LINE.startsWith(begun) || begun.startsWith(FIRST_LINE)
}

/** Where a guard stands though its volume may be gone; undefined where there is none. */
export function guardLeft(volume: string): string | undefined {
  const name = guardName(volume)
  const text = readText(name)
  return text !== undefined && isGuard(text) ? name : undefined
}

/** Only of a regular file: a pipe of that name would never end. */
function readText(name: string): string | undefined {
  if (!isFile(name)) return undefined
  const fd = fs.openSync(name, 'r')
  try {
    const bytes = Buffer.alloc(LONGEST)
    return bytes.toString('latin1', 0, readUninterrupted(fd, bytes, 0, LONGEST, 0))
  } finally {
    fs.closeSync(fd)
  }
}

function isFile(name: string): boolean {
  try {
    return fs.statSync(name, { throwIfNoEntry: false })?.isFile() ?? false
  } catch (error) {
    // Beside a volume whose name leaves no room for the suffix none can stand.
    if ((error as NodeJS.ErrnoException).code === 'ENAMETOOLONG') return false
    throw error
  }
}

async function tailSum(source: ByteSource, length: bigint): Promise<string> {
  const start = length > BigInt(TAIL) ? length - BigInt(TAIL) : 0n
  const tail = await source.read(start, Number(length - start))
  return createHash('sha256').update(tail).digest('hex')
}

/**
 * Guards a volume, durably, before anything is appended to it.
 * @throws the operating system's error; `EEXIST` when there is a guard already
 */
export async function setGuard(volume: string): Promise<HeldGuard> {
  const name = guardName(volume)
  const file = fileOf(statOf(volume))
  const fd = fs.openSync(name, 'wx', 0o600)
  try {
    let length: bigint
    let mark: string | undefined
    try {
      length = await writeGuard(fd, volume)
      // Not by its name: since it was written somebody may have taken it away.
      mark = markOf(fs.fstatSync(fd, { bigint: true }))
    } finally {
      fs.closeSync(fd)
    }
    syncFolder(path.dirname(name))
    return {
      name,
      length,
      fits: true,
      get held() {
        return markOf(statOf(name)) === mark && fileOf(statOf(volume)) === file
      },
    }
  } catch (error) {
    removeFile(name)
    throw error
  }
}

/** The length is that of a volume to which nobody else appends any more: it is looked at behind the guard. */
async function writeGuard(fd: number, volume: string): Promise<bigint> {
  const source = openFileSource(volume)
  try {
    fs.writeSync(fd, `${FIRST_LINE}length ${source.size}\nsha256 ${await tailSum(source, source.size)}\n`)
    fs.fsyncSync(fd)
    return source.size
  } finally {
    await source.close()
  }
}

const statOf = (name: string) => fs.statSync(name, { bigint: true, throwIfNoEntry: false })

/** Which file it is. */
const fileOf = (stat: fs.BigIntStats | undefined) => stat && `${stat.dev} ${stat.ino}`

/** The same of a file that nobody writes to, as the number of one that went may be another one's. */
const markOf = (stat: fs.BigIntStats | undefined) => stat && `${fileOf(stat)} ${stat.mtimeNs}`

/** Takes the guard away: what was appended is on the disk, or what was there is restored. */
export function dropGuard({ name }: AppendGuard): void {
  fs.unlinkSync(name)
  syncFolder(path.dirname(name))
}

/**
 * Cuts off what an append left, bit for bit, and takes the guard away.
 * @returns the length of the volume, and how many bytes went
 * @throws {FormatError} when the volume has no guard, or one that is another volume's; the operating system's error
 */
export async function undoAppend(volume: string): Promise<{ length: bigint; cut: bigint }> {
  const guard = await readGuard(volume)
  if (!guard) throw new FormatError(`${volume}: no append to undo: there is no ${guardName(volume)}`)
  if (!guard.fits)
    throw new FormatError(`${volume}: not the volume that ${guard.name} speaks of, and left as it is`)
  const fd = fs.openSync(volume, 'r+')
  try {
    const { size } = fs.fstatSync(fd, { bigint: true })
    if (size > guard.length) fs.ftruncateSync(fd, Number(guard.length))
    fs.fsyncSync(fd)
    dropGuard(guard)
    return { length: guard.length, cut: size - guard.length }
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * Opens a file as it was before an append that has not finished; every other one as it is.
 * @returns its bytes, and what people should know about them
 * @throws {FormatError} and the operating system's errors
 */
export async function openAsItWas(path: string): Promise<{ source: ByteSource; warnings: string[] }> {
  let source = openFileSource(path)
  const guard = guardLeft(path) === undefined ? undefined : await readGuard(path)
  if (!guard) {
    if (statOf(path)?.size === source.size) return { source, warnings: [] }
    // An append ended after the file was opened, or had begun and ended since.
    await source.close()
    source = openFileSource(path)
    return { source, warnings: [] }
  }
  if (!guard.fits)
    return {
      source,
      warnings: [`${guard.name} speaks of another volume than this one, which is read as it is`],
    }
  const behind = source.size - guard.length
  return {
    source: { ...source, size: guard.length, read: clipped(source, guard.length) },
    warnings: [
      `an append has not finished: read as it was before, without ${behind} bytes that follow (aff4-recover makes another volume of all there is, --undo cuts them)`,
    ],
  }
}

const clipped =
  (source: ByteSource, size: bigint): ByteSource['read'] =>
  (offset, length, into) => {
    const left = offset < size ? size - offset : 0n
    return source.read(offset, clipLength(length, left), into)
  }
