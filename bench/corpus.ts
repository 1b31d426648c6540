import { createCipheriv } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const MEBIBYTE = 1 << 20
const FOLDERS = ['/usr/lib', '/usr/bin', '/usr/share']

/** A place for what the benchmarks read and write: on disk, since memory is what is measured, or where it is said. */
export const FOLDER = path.join(process.env.PMEM_BENCH_DIR ?? os.tmpdir(), 'pmem-bench')

/**
 * Writes `size` bytes such as a memory holds them, unless they are there: in each five mebibytes three from the
 * machine's own programs and libraries, one of zeros, one that no codec shortens.
 * @returns the file's name
 */
export function mixedFile(size: number): string {
  const name = path.join(FOLDER, `mixed-${size / MEBIBYTE}MiB`)
  if (fs.statSync(name, { throwIfNoEntry: false })?.size === size) return name
  fs.mkdirSync(FOLDER, { recursive: true })
  const out = fs.openSync(name, 'w')
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
  const zeros = Buffer.alloc(MEBIBYTE)
  const library = libraryBytes()
  for (let block = 0; block < size / MEBIBYTE; block++) {
    const kind = block % 5
    fs.writeSync(out, kind === 3 ? zeros : kind === 4 ? cipher.update(zeros) : library.next().value!)
  }
  fs.closeSync(out)
  return name
}

/** Mebibyte after mebibyte of the machine's own files, from the start again when they are through. */
function* libraryBytes(): Generator<Buffer, never> {
  const files = FOLDERS.flatMap((folder) =>
    fs
      .readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name)),
  ).sort()
  const block = Buffer.alloc(MEBIBYTE)
  let filled = 0
  for (;;)
    for (const file of files) {
      const fd = fs.openSync(file, 'r')
      for (let count = 1; count > 0; ) {
        count = fs.readSync(fd, block, filled, MEBIBYTE - filled, null)
        filled += count
        if (filled === MEBIBYTE) {
          yield block
          filled = 0
        }
      }
      fs.closeSync(fd)
    }
}
