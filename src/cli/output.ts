import fs from 'node:fs'
import path from 'node:path'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'
import type { ByteSink, Bytes } from '../formats/byte-source.js'
import { max, min } from '../formats/min-max.js'
import { removeFile } from '../formats/remove-file.js'
import { syncFolder } from '../formats/sync-folder.js'
import type { Status } from '../frames/frame.js'
import { openPipeOutput, type WritePieces, writeWhole } from '../frames/pipe-output.js'
import { insertBeforeExtension } from '../platform/name-extension.js'
import { EXIT, ToolError } from './exit.js'
import { asToolError, reasonOf } from './failure.js'
import { refuseSameFile } from './same-file.js'
import { type Space, UNBOUNDED } from './space.js'

/** How the input of a sink ended. */
export interface Outcome {
  status: Status
  error?: string
  /** Some range or file could not be read. */
  unreadable: boolean
}

/** The file, device or pipe that a sink writes. */
export interface Output extends ByteSink {
  /** Positions may be written again and the end may be cut: a regular file. */
  readonly seekable: boolean
  /** Where the bytes are while the output is not complete: `out.partial.aff4`, or the name itself. */
  readonly path: string
  /** The room that it has. */
  readonly space: Space
  writeAt(offset: bigint, bytes: Bytes): Promise<void>
  truncate(size: bigint): Promise<void>
  /** Waits until the disk has all that was written. @throws {ToolError} when it has lost some */
  sync(): Promise<void>
  /**
   * Makes what was written durable. A complete file takes its final name, any other stays partial.
   * @returns the name under which the bytes are found, undefined when nothing was ever written
   */
  finish(outcome: Outcome): Promise<string | undefined>
}

/**
 * Opens the output of a sink. Refusals come at once; the file itself is created with the first write, under
 * its name with `.partial` before the extension, mode 0600.
 * @param target a path, or `-` for standard output
 * @param replace take the place of what is there
 * @param spaceOf the room for a regular file, `freed` bytes of which an older one takes that goes when this one begins
 * @throws {ToolError} when the output exists, cannot be created, is the input, or is a terminal
 */
export function openOutput(
  target: string,
  replace: boolean,
  spaceOf: (freed: bigint) => Space = () => UNBOUNDED,
): Output {
  if (target === '-') {
    refuseTerminal('standard output', 1)
    return openStream('standard output', async () => 1)
  }
  const there = statOf(target)
  for (const name of [target, partialName(target)]) refuseInput(name)
  if (there && !there.isFile()) {
    if (there.isDirectory()) throw new ToolError(EXIT.cannotCreate, `${target}: is a directory`)
    return openStream(target, () => openSpecial(target))
  }
  return openFile(target, replace, spaceOf)
}

function openFile(target: string, replace: boolean, spaceOf: (freed: bigint) => Space): Output {
  const partial = partialName(target)
  for (const name of [target, partial])
    if (!replace && statOf(name))
      throw new ToolError(EXIT.cannotCreate, `${name}: file exists`, { hint: '-t replaces it' })
  const folder = path.dirname(target)
  try {
    fs.accessSync(`${folder}/`, fs.constants.W_OK)
  } catch (error) {
    throw new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })
  }
  const course: FileCourse = {
    open() {
      if (replace) removeFile(partial)
      return fs.openSync(partial, 'wx+', 0o600)
    },
    settle({ status }) {
      return status === 'complete' ? settleFile(partial, target, replace) : keepUnlessEmpty(partial)
    },
  }
  const freed = (statOf(partial)?.blocks ?? 0n) * BLOCK
  return openFileOutput(target, partial, course, spaceOf(freed))
}

/**
 * Gives a file that is closed, and on the disk, its final name.
 * @returns that name
 * @throws {ToolError} when something has it by now, and may not be replaced
 */
export function settleFile(partial: string, target: string, replace: boolean): string {
  if (!replace && statOf(target)) throw new ToolError(EXIT.cannotCreate, `${target}: appeared meanwhile`)
  fs.renameSync(partial, target)
  syncFolder(path.dirname(target))
  return target
}

/** What becomes of a regular file before and after it is written. */
export interface FileCourse {
  /** Called with the first write. */
  open(): number
  /** Called before each change. @throws when the file may not be changed any more */
  check?(): void
  /** The file is closed, and on the disk. @returns the name under which it stays, undefined when it does not */
  settle(outcome: Outcome): string | undefined
}

/** What `blocks` of a stat counts. */
const BLOCK = 512n

/** So much goes to the disk together while more is written, rather than all of it at the end. */
const SYNC_BYTES = 32n << 20n

/** Writes a regular file at positions. @param where the name of the file while it is written */
export function openFileOutput(
  target: string,
  where: string,
  course: FileCourse,
  space: Space = UNBOUNDED,
): Output {
  let fd: number | undefined
  let position = 0n
  /** One past the last byte that was written. */
  let end = 0n
  let unsynced = 0n
  let syncing: Promise<void> | undefined
  /** The system tells a failure once: whoever syncs next would succeed. */
  let lost: { error: unknown } | undefined

  function open(): number {
    course.check?.()
    try {
      fd ??= course.open()
      return fd
    } catch (error) {
      throw new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })
    }
  }
  const failed = (error: unknown) =>
    error instanceof ToolError
      ? error
      : new ToolError(EXIT.io, `${where}: ${reasonOf(error)}`, { cause: error })

  /** @throws what the disk has said of what was written before: once, for what is kept may still be written */
  function meetLoss(): void {
    const met = lost
    lost = undefined
    if (met) throw met.error
  }

  async function writePieces(pieces: Bytes[], at: bigint, length: bigint): Promise<void> {
    const grown = at + length - max(at, end)
    try {
      meetLoss()
      if (grown > 0n) space.take(where, grown)
      end = max(end, at + length)
      await writeWhole(open(), pieces, Number(at))
    } catch (error) {
      throw failed(error)
    }
    unsynced += length
    if (unsynced < SYNC_BYTES || syncing) return
    unsynced = 0n
    syncing = promisify(fs.fdatasync)(fd!)
      .catch((error: unknown) => {
        lost = { error }
      })
      .finally(() => {
        syncing = undefined
      })
  }

  async function sync(): Promise<void> {
    if (fd === undefined) return
    try {
      await syncing
      meetLoss()
      fs.fsyncSync(fd)
    } catch (error) {
      throw failed(error)
    }
  }

  return {
    name: target,
    path: where,
    space,
    seekable: true,
    get position() {
      return position
    },
    async write(...pieces) {
      let length = 0n
      for (const piece of pieces) length += BigInt(piece.length)
      await writePieces(pieces, position, length)
      position += length
    },
    writeAt: (offset, bytes) => writePieces([bytes], offset, BigInt(bytes.length)),
    async truncate(size) {
      try {
        fs.ftruncateSync(open(), Number(size))
      } catch (error) {
        throw failed(error)
      }
      position = size
      if (size < end) space.giveBack(end - size)
      end = min(end, size)
    },
    sync,
    async finish(outcome) {
      if (fd === undefined) return undefined
      await sync()
      try {
        fs.closeSync(fd)
        return course.settle(outcome)
      } catch (error) {
        throw failed(error)
      }
    },
  }
}

/** An output that was refused before its first byte leaves no file. */
function keepUnlessEmpty(name: string): string | undefined {
  if (fs.statSync(name).size > 0) return name
  fs.unlinkSync(name)
  return undefined
}

/** Devices, FIFOs and standard output are written as they are. */
function openStream(name: string, open: () => Promise<number>): Output {
  let write: WritePieces | undefined
  let position = 0n
  const refuse = () => {
    throw new ToolError(EXIT.internal, `${name}: cannot be written twice`)
  }
  return {
    name,
    path: name,
    space: UNBOUNDED,
    seekable: false,
    get position() {
      return position
    },
    async write(...pieces) {
      try {
        write ??= openPipeOutput(await open())
        await write(pieces)
      } catch (error) {
        if (error instanceof ToolError) throw error
        throw new ToolError(EXIT.io, `${name}: ${reasonOf(error)}`, { cause: error })
      }
      for (const piece of pieces) position += BigInt(piece.length)
    },
    writeAt: refuse,
    truncate: refuse,
    sync: async () => {},
    finish: async () => (write ? name : undefined),
  }
}

/** A FIFO opens when somebody reads it: awaited in a thread, so that signals are seen meanwhile. */
async function openSpecial(target: string): Promise<number> {
  try {
    const fd = await promisify(fs.open)(target, fs.constants.O_WRONLY)
    refuseTerminal(target, fd)
    return fd
  } catch (error) {
    throw error instanceof ToolError ? error : new ToolError(EXIT.cannotCreate, asToolError(error).message)
  }
}

function refuseTerminal(name: string, fd: number): void {
  if (isatty(fd))
    throw new ToolError(EXIT.usage, `${name}: is a terminal, and evidence is binary`, {
      hint: 'name a file, or pipe it on',
    })
}

/** `out.aff4` while it is not complete: `out.partial.aff4`. */
export function partialName(target: string): string {
  const { dir, base } = path.parse(target)
  return path.join(dir, insertBeforeExtension(base, '.partial'))
}

function statOf(name: string): fs.BigIntStats | undefined {
  try {
    return fs.statSync(name, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    throw new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })
  }
}

/** Refuses an output that is standard input. */
export function refuseInput(target: string): void {
  const input = fs.fstatSync(0, { bigint: true })
  if (input.isFile()) refuseSameFile(target, statOf(target), input)
}
