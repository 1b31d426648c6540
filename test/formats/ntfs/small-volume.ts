import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import { findAttribute } from '../../../src/formats/ntfs/file.js'
import { type NtfsVolume, openVolume } from '../../../src/formats/ntfs/volume.js'
import { bufferSource } from '../buffer-source.js'

/** A volume by mkntfs, with files in its root by ntfscp; in a folder that is removed after the test. */
export interface SmallVolume {
  readonly image: string
  /** Of the whole image; changes go to openImage(). */
  readonly bytes: Buffer
}

/** @param files by name, or name:stream */
export function makeVolume(
  t: ExecutionContext,
  files: Readonly<Record<string, string>>,
  { clusterSize = 4096, size = 4 << 20 } = {},
): SmallVolume {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-ntfs-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const image = path.join(folder, 'volume')
  fs.writeFileSync(image, '')
  fs.truncateSync(image, size)
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'pipe' })
  run('mkntfs', '-F', '-q', '-f', '-c', String(clusterSize), image)
  const content = path.join(folder, 'content')
  for (const [name, text] of Object.entries(files)) {
    const [file, stream] = name.split(':')
    fs.writeFileSync(content, text)
    run('ntfscp', '-f', '-q', ...(stream ? ['-N', stream] : []), image, content, `/${file}`)
  }
  return { image, bytes: fs.readFileSync(image) }
}

/** Opens the bytes of an image; what is reported goes to `messages`. */
export async function openImage(
  bytes: Buffer,
  messages: string[] = [],
): Promise<{ volume: NtfsVolume; messages: string[] }> {
  const volume = await openVolume(bufferSource(bytes), ({ message }) => messages.push(message))
  return { volume, messages }
}

/** Where the bytes of a record stand in the image. */
export async function recordAt(bytes: Buffer, number: number): Promise<number> {
  const { volume } = await openImage(bytes)
  const { clusterSize, recordSize } = volume.geometry
  const at = number * recordSize
  const run = volume.mft.attribute.runs.find(({ vcn, length }) => at < (vcn + length) * clusterSize)!
  return run.lcn! * clusterSize + at - run.vcn * clusterSize
}

/** Where the blocks of the root's index stand in the image. */
export async function rootBlocksAt(bytes: Buffer): Promise<number[]> {
  const { volume } = await openImage(bytes)
  const { clusterSize } = volume.geometry
  const blocks = findAttribute(await volume.file(5), ATTRIBUTE.INDEX_ALLOCATION, '$I30')!
  return blocks.runs.flatMap(({ lcn, length }) =>
    Array.from({ length: (length * clusterSize) / 4096 }, (_, at) => lcn! * clusterSize + at * 4096),
  )
}

/** Marks a record as deletion does; its name stays in the index. */
export async function deleteRecord(bytes: Buffer, number: number): Promise<void> {
  const at = await recordAt(bytes, number)
  bytes.writeUInt16LE(bytes.readUInt16LE(at + 16) + 1, at + 16)
  bytes.writeUInt16LE(bytes.readUInt16LE(at + 22) & ~1, at + 22)
}
