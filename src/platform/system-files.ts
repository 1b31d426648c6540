import fs from 'node:fs'
import type { Bytes } from '../formats/byte-source.js'
import { isDamage } from '../formats/format-error.js'
import { readPseudoFile } from './pseudo-file.js'
import { readUninterrupted } from './read-uninterrupted.js'

const PROC_SUPER_MAGIC = 0x9fa0
const MOST_TEXT = 1 << 20

/** An open file of a machine. */
export interface SystemFile {
  /**
   * Reads at an offset and says how many bytes came: fewer than `into` has room for tell nothing about the next one.
   * @throws the operating system's error
   */
  read(offset: bigint, into: Bytes): number | Promise<number>
  /**
   * Says what is read after all that was said before, where asking ahead saves time.
   * @returns to be called when nothing of it is read any more
   */
  expect?(offset: bigint, length: bigint): () => void
  close(): void
}

/** The files of a machine, this one or one far away. They fail with the operating system's errors. */
export interface SystemFiles {
  /** How who may not read them gets to be root: for hints. */
  readonly toBecomeRoot: string
  open(path: string): Promise<SystemFile>
  /** A file that stays as it is, with its size in bytes. */
  openLasting(path: string): Promise<SystemFile & { readonly size: bigint }>
  /** A file of /proc or /sys to its end, at most so many bytes; `cut` tells that there were more. */
  readWhole(path: string, most: number): Promise<{ bytes: Buffer; cut: boolean }>
  /** Names in a folder, in any order. */
  list(folder: string): Promise<string[]>
  /** Where a link leads; undefined where that can't be told. */
  linkTarget(path: string): Promise<string | undefined>
  /** Whether a file is the kernel's own account of itself, not a copy. */
  isOfProc(path: string): Promise<boolean>
}

const openLocal = (path: string): SystemFile & { readonly fd: number } => {
  const fd = fs.openSync(path, 'r')
  return {
    fd,
    // Of Node's calls only readSync and the callback form of read take offsets above 2^53.
    read: (offset, into) => readUninterrupted(fd, into, 0, into.length, offset),
    close: () => fs.closeSync(fd),
  }
}

/** Those of this machine. */
export const LOCAL_FILES: SystemFiles = {
  toBecomeRoot: 'run it with sudo',
  open: async (path) => openLocal(path),
  async openLasting(path) {
    const file = openLocal(path)
    return { ...file, size: fs.fstatSync(file.fd, { bigint: true }).size }
  },
  readWhole: async (path, most) => readPseudoFile(path, most),
  list: async (folder) => fs.readdirSync(folder),
  async linkTarget(path) {
    try {
      return fs.readlinkSync(path)
    } catch {
      return undefined
    }
  },
  isOfProc: async (path) => fs.statfsSync(path).type === PROC_SUPER_MAGIC,
}

/** The text of a small file; undefined where the system refuses it. */
export async function textOf(files: SystemFiles, path: string): Promise<string | undefined> {
  try {
    return (await files.readWhole(path, MOST_TEXT)).bytes.toString('utf8')
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}
