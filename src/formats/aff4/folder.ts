import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'
import type { ByteSource, Bytes } from '../byte-source.js'
import { openFileSource } from '../file-source.js'
import { FormatError } from '../format-error.js'
import type { Container, Member } from './container.js'
import { CONTAINER_DESCRIPTION } from './names.js'
import { STORED } from './zip/local-header.js'
import { MOST_MEMBERS } from './zip/reader.js'

/** Member names nest no deeper than files. */
const DEEPEST = 64

/**
 * A volume that is a folder (AFF4 Standard v1.0 §5.4): each member a file of its name. Links are no members: they
 * could lead anywhere.
 * @throws {FormatError} when there is more in it than a volume has, or the operating system's error
 */
export async function openFolder(root: string): Promise<Container> {
  const members = new Map<string, Member>()

  async function list(folder: string, depth: number): Promise<void> {
    if (depth > DEEPEST) throw new FormatError(`${root}: ${folder}: nested deeper than ${DEEPEST} folders`)
    const entries = await readdir(path.join(root, folder), { withFileTypes: true })
    for (const entry of entries)
      await add(entry, folder === '' ? entry.name : `${folder}/${entry.name}`, depth)
  }

  async function add(entry: Dirent, name: string, depth: number): Promise<void> {
    if (entry.isDirectory()) return list(name, depth + 1)
    if (!entry.isFile()) return
    if (members.size === MOST_MEMBERS) throw new FormatError(`${root}: more than ${MOST_MEMBERS} files`)
    const { size } = await lstat(path.join(root, name), { bigint: true })
    members.set(name, { name, size, compressedSize: size, crc: undefined, method: STORED, headerOffset: 0n })
  }

  // Whoever gives a folder by mistake is told before all of it is walked.
  if (!(await readdir(root)).includes(CONTAINER_DESCRIPTION))
    throw new FormatError(`${root}: a folder without a ${CONTAINER_DESCRIPTION}: no AFF4 volume`)
  await list('', 0)
  return {
    name: root,
    members,
    comment: '',
    open: async ({ name, size }) => transient(path.join(root, name), size),
    async read({ name, size }, limit) {
      if (size > limit) throw new FormatError(`${root}: ${name}: ${size} bytes are too many`)
      return transient(path.join(root, name), size).read(0n, Number(size))
    },
  }
}

/** A file that is open only while it is read: a stream has more bevies than a process may have files. */
function transient(file: string, size: bigint): ByteSource {
  return {
    name: file,
    size,
    async read(offset, length, into): Promise<Bytes> {
      const source = openFileSource(file)
      try {
        return await source.read(offset, length, into)
      } finally {
        await source.close()
      }
    },
    async close() {},
  }
}
