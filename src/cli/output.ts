import fs from 'node:fs'
import path from 'node:path'
import { isatty } from 'node:tty'
import type { ByteSink, Bytes } from '../formats/byte-source.js'
import type { Status } from '../frames/frame.js'
import { behind, openPipeOutput, type WritePieces } from '../frames/pipe-output.js'
import { EXIT, ToolError } from './exit.js'
import { asToolError } from './failure.js'

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
  writeAt(offset: bigint, bytes: Bytes): Promise<void>
  truncate(size: bigint): Promise<void>
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
 * @throws {ToolError} when the output exists, cannot be created, is the input, or is a terminal
 */
export function openOutput(target: string, replace: boolean): Output {
  if (target === '-') {
    if (isatty(1))
      throw new ToolError(EXIT.usage, 'standard output is a terminal', { hint: 'name a file, or pipe it on' })
    return openStream('standard output', () => 1)
  }
  const there = statOf(target)
  refuseInput(target, there)
  if (there && !there.isFile()) {
    if (there.isDirectory()) throw new ToolError(EXIT.cannotCreate, `${target}: is a directory`)
    return openStream(target, () => fs.openSync(target, 'w'))
  }
  return openFile(target, replace)
}

function openFile(target: string, replace: boolean): Output {
  const partial = partialName(target)
  for (const name of [target, partial])
    if (!replace && statOf(name))
      throw new ToolError(EXIT.cannotCreate, `${name}: file exists`, { hint: '-t replaces it' })
  const folder = path.dirname(target)
  try {
    fs.accessSync(folder, fs.constants.W_OK)
  } catch (error) {
    throw new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })
  }
  let fd: number | undefined
  let position = 0n

  function open(): number {
    if (fd === undefined)
      try {
        if (replace) fs.rmSync(partial, { force: true })
        fd = fs.openSync(partial, 'wx+', 0o600)
      } catch (error) {
        throw new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })
      }
    return fd
  }
  const failed = (error: unknown) =>
    new ToolError(EXIT.io, `${partial}: ${asToolError(error).message}`, { cause: error })

  return {
    name: target,
    path: partial,
    seekable: true,
    get position() {
      return position
    },
    async write(...pieces) {
      let at = position
      try {
        for (const piece of pieces) at += BigInt(piece.length)
        await writeAll(open(), pieces, position)
        position = at
      } catch (error) {
        throw error instanceof ToolError ? error : failed(error)
      }
    },
    async writeAt(offset, bytes) {
      try {
        await writeAll(open(), [bytes], offset)
      } catch (error) {
        throw error instanceof ToolError ? error : failed(error)
      }
    },
    async truncate(size) {
      try {
        fs.ftruncateSync(open(), Number(size))
      } catch (error) {
        throw error instanceof ToolError ? error : failed(error)
      }
      position = size
    },
    async finish(outcome) {
      if (fd === undefined) return undefined
      try {
        fs.fsyncSync(fd)
        fs.closeSync(fd)
        if (outcome.status !== 'complete') return keepUnlessEmpty(partial)
        if (!replace && statOf(target))
          throw new ToolError(EXIT.cannotCreate, `${target}: appeared meanwhile`)
        fs.renameSync(partial, target)
        syncFolder(folder)
        return target
      } catch (error) {
        throw error instanceof ToolError ? error : failed(error)
      }
    },
  }
}

/** An output that was refused before its first byte leaves no file. */
function keepUnlessEmpty(name: string): string | undefined {
  if (fs.statSync(name).size > 0) return name
  fs.rmSync(name)
  return undefined
}

/** Devices, FIFOs and standard output are written as they are. */
function openStream(name: string, open: () => number): Output {
  let write: WritePieces | undefined
  let position = 0n
  const refuse = () => {
    throw new ToolError(EXIT.internal, `${name}: cannot be written twice`)
  }
  return {
    name,
    path: name,
    seekable: false,
    get position() {
      return position
    },
    async write(...pieces) {
      try {
        write ??= openPipeOutput(open())
        await write(pieces)
      } catch (error) {
        throw new ToolError(EXIT.io, `${name}: ${asToolError(error).message}`, { cause: error })
      }
      for (const piece of pieces) position += BigInt(piece.length)
    },
    writeAt: refuse,
    truncate: refuse,
    finish: async () => (write ? name : undefined),
  }
}

/** `out.aff4` while it is not complete: `out.partial.aff4`. */
export function partialName(target: string): string {
  const { dir, name, ext } = path.parse(target)
  return path.join(dir, `${name}.partial${ext}`)
}

function writeAll(fd: number, pieces: Bytes[], position: bigint): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (rest: Bytes[], at: number) => {
      if (rest.length === 0) return resolve()
      fs.writev(fd, rest.slice(0, 1024), at, (error, count) => {
        if (error) return reject(error)
        next(behind(rest, count), at + count)
      })
    }
    next(
      pieces.filter((piece) => piece.length > 0),
      Number(position),
    )
  })
}

function statOf(name: string): fs.Stats | undefined {
  return fs.statSync(name, { throwIfNoEntry: false })
}

function refuseInput(target: string, there: fs.Stats | undefined): void {
  const input = fs.fstatSync(0)
  if (there && input.isFile() && input.dev === there.dev && input.ino === there.ino)
    throw new ToolError(EXIT.usage, `${target}: input and output are one file`)
}

function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(fd)
  } catch {
    // Not every file system syncs directories; the file itself is safe.
  } finally {
    fs.closeSync(fd)
  }
}
