import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { openFileSource } from '../src/formats/file-source.js'
import { ATTRIBUTE } from '../src/formats/ntfs/attribute-type.js'
import { findAttribute } from '../src/formats/ntfs/file.js'
import { openNtfs } from '../src/formats/ntfs/open.js'
import { RECORD } from '../src/formats/ntfs/volume.js'

const MEBIBYTE = 1 << 20
/** Files of so many runs are written in a time that grows with their square. */
const FRAGMENTED_FILES = 4
/** FILE_ATTRIBUTE_COMPRESSED and ARCHIVE, as ntfs-3g takes them: big-endian. */
const COMPRESSED = '0x00000820'

export interface NtfsVolumes {
  /** Has `contiguous`, of the size of what it was made of, and `packed/lznt1`, a quarter of it. */
  readonly plain: string
  /** Has files that are together as large, of runs of 4 KiB. */
  readonly fragmented: string
  readonly fragments: readonly string[]
}

/**
 * Makes volumes of 4 KiB clusters out of a file, with mkntfs and ntfs-3g.
 * @throws {Error} where they are missing, or may not mount
 */
export async function makeVolumes(folder: string, source: string): Promise<NtfsVolumes> {
  const size = fs.statSync(source).size
  const plain = format(path.join(folder, 'plain.ntfs'), 2 * size)
  mounted(plain, (mount) => {
    fs.copyFileSync(source, path.join(mount, 'contiguous'))
    const packed = path.join(mount, 'packed')
    fs.mkdirSync(packed)
    execFileSync('setfattr', ['-n', 'system.ntfs_attrib_be', '-v', COMPRESSED, packed])
    copyPart(source, 0, size / 4, path.join(packed, 'lznt1'))
  })
  const fragmented = format(path.join(folder, 'fragmented.ntfs'), 4 * size)
  await takeEveryOtherCluster(fragmented)
  const fragments = Array.from({ length: FRAGMENTED_FILES }, (_, index) => `part${index}`)
  mounted(fragmented, (mount) => {
    const each = size / FRAGMENTED_FILES
    for (const [index, name] of fragments.entries())
      copyPart(source, index * each, each, path.join(mount, name))
  })
  return { plain, fragmented, fragments }
}

function format(file: string, size: number): string {
  fs.rmSync(file, { force: true })
  fs.writeFileSync(file, '')
  fs.truncateSync(file, size)
  execFileSync('mkntfs', ['-q', '-F', '-f', '-c', '4096', file], { stdio: 'ignore' })
  return file
}

function mounted(file: string, work: (mount: string) => void): void {
  const mount = fs.mkdtempSync(`${file}-`)
  execFileSync('ntfs-3g', ['-o', 'big_writes,no_def_opts,silent,compression', file, mount])
  try {
    work(mount)
  } finally {
    execFileSync('umount', [mount])
    fs.rmdirSync(mount)
  }
}

function copyPart(source: string, start: number, length: number, target: string): void {
  const block = Buffer.alloc(MEBIBYTE)
  const [from, to] = [fs.openSync(source, 'r'), fs.openSync(target, 'w')]
  for (let done = 0; done < length; done += block.length) {
    fs.readSync(from, block, 0, block.length, start + done)
    fs.writeSync(to, block)
  }
  fs.closeSync(from)
  fs.closeSync(to)
}

/** Marks them in $Bitmap; what is left at the end is for $MFT to grow. */
async function takeEveryOtherCluster(file: string): Promise<void> {
  const volume = await openNtfs(openFileSource(file), {}, () => {})
  const bitmap = findAttribute(await volume.file(RECORD.BITMAP), ATTRIBUTE.DATA)!
  const bits = await volume.read(bitmap, bitmap.sizes.data)
  for (let at = 0; at < bits.length - 256; at++) if (bits[at] === 0) bits[at] = 0xaa
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, bits, 0, bits.length, bitmap.runs[0]!.lcn! * volume.geometry.clusterSize)
  fs.closeSync(fd)
  await volume.close()
}
