import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { openImage } from '../../../src/formats/image/open-image.js'
import { findVolume } from '../../../src/formats/ntfs/find-volume.js'
import { openNtfs } from '../../../src/formats/ntfs/open.js'
import { bufferSource } from '../buffer-source.js'

const MIB = 1 << 20

function folderOf(t: ExecutionContext): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-volume-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  return folder
}

/** A file of zeros. */
function sparse(file: string, size: number): string {
  fs.writeFileSync(file, '')
  fs.truncateSync(file, size)
  return file
}

function mkntfs(t: ExecutionContext, size: number, ...options: string[]): Buffer {
  const file = sparse(path.join(folderOf(t), 'volume.raw'), size)
  const words = ['-F', '-Q', '-q', '-p', '0', '-H', '0', '-S', '0', ...options, file]
  execFileSync('mkntfs', words, { stdio: 'pipe' })
  return fs.readFileSync(file)
}

/** A disk with these volumes, one a partition, from 1 MiB on. */
function diskOf(t: ExecutionContext, label: 'dos' | 'gpt', volumes: readonly Buffer[]): Buffer {
  const total = volumes.reduce((sum, { length }) => sum + length, 2 * MIB)
  const file = sparse(path.join(folderOf(t), 'disk.raw'), total)
  let at = MIB
  const lines = volumes.map(({ length }) => {
    const line = `start=${at / 512}, size=${length / 512}${label === 'dos' ? ', type=7' : ''}`
    at += length
    return line
  })
  const input = [`label: ${label}`, ...lines, ''].join('\n')
  execFileSync('sfdisk', ['-q', '--no-reread', file], { input })
  const disk = fs.readFileSync(file)
  volumes.reduce((start, volume) => start + volume.copy(disk, start), MIB)
  return disk
}

const find = (bytes: Buffer, offset?: number, findings: string[] = []) =>
  findVolume(bufferSource(bytes, 'image'), offset === undefined ? undefined : BigInt(offset), ({ message }) =>
    findings.push(message),
  )

const whole = async (source: ByteSource) => Buffer.from(await source.read(0n, Number(source.size)))

async function refused(t: ExecutionContext, bytes: Buffer, message: RegExp, hint?: RegExp, offset?: number) {
  const error = await t.throwsAsync(find(bytes, offset), { instanceOf: FormatError, message })
  if (hint) t.regex(error?.hint ?? '', hint)
}

test('a volume is found by itself, and in the only partition that has one', async (t) => {
  const volume = mkntfs(t, 2 * MIB)
  t.like(await find(volume), { offset: 0n, partition: undefined })
  for (const label of ['dos', 'gpt'] as const) {
    const disk = diskOf(t, label, [Buffer.alloc(MIB), volume, Buffer.alloc(MIB)])
    const found = await find(disk)
    t.like(found, { offset: BigInt(2 * MIB), partition: { index: 2 } })
    t.true((await whole(found.source)).equals(volume))
    t.is(found.source.size, BigInt(volume.length))
  }
})

test('of several volumes none is chosen: they are listed with their offsets', async (t) => {
  const volume = mkntfs(t, 2 * MIB)
  const disk = diskOf(t, 'gpt', [volume, Buffer.alloc(MIB), volume])
  await refused(
    t,
    disk,
    /^image: 2 NTFS volumes$/,
    /--offset 1048576 \(partition 1.*--offset 4194304 \(partition 3/,
  )
  const found = await find(disk, 4 * MIB)
  t.like(found, { offset: BigInt(4 * MIB), partition: { index: 3 } })
  t.is(found.source.size, BigInt(volume.length))
})

test('an offset may point where no partition begins, but exactly to the volume', async (t) => {
  const volume = mkntfs(t, 2 * MIB)
  const image = Buffer.concat([Buffer.alloc(3 * 512), volume])
  t.is((await find(image, 3 * 512)).source.size, BigInt(volume.length))
  await refused(t, image, /no boot sector of NTFS/, undefined, 512)
  await refused(t, image, /past its end/, undefined, image.length)
})

test('a volume whose boot sector is gone is found by the backup, with sectors of 512 and 4096 bytes', async (t) => {
  for (const [sector, options] of [
    [512, []],
    [4096, ['-s', '4096', '-c', '4096']],
  ] as const) {
    const volume = mkntfs(t, 8 * MIB, ...options)
    const damaged = Buffer.from(volume)
    damaged.fill(0, 0, sector)
    t.like(await find(damaged), { offset: 0n }, `${sector}`)
    const disk = diskOf(t, 'dos', [damaged])
    t.like(await find(disk), { offset: BigInt(MIB), partition: { index: 1 } }, `${sector}`)
    t.like(await find(disk, MIB), { offset: BigInt(MIB) }, `${sector}`)
    // Neither boot sector nor partition table: the backup says where the volume began.
    const lost = Buffer.concat([Buffer.alloc(MIB), damaged])
    t.like(await find(lost), { offset: BigInt(MIB), partition: undefined }, `${sector}`)
  }
})

test('a volume whose first sector cannot be read is found by the backup', async (t) => {
  const source = bufferSource(mkntfs(t, 8 * MIB), 'image')
  const broken: ByteSource = {
    ...source,
    async read(offset, length) {
      if (offset < 4096n) throw new Error('EIO: i/o error, read')
      return source.read(offset, length)
    },
  }
  const findings: string[] = []
  const volume = await openNtfs(broken, {}, ({ message }) => findings.push(message))
  t.is((await volume.file(5)).reference.record, 5)
  t.regex(findings.join('\n'), /EIO.*; the backup of the boot sector is used/)
  const dead = { ...source, read: () => Promise.reject(new Error('EIO: i/o error, read')) }
  await t.throwsAsync(
    openNtfs(dead, {}, () => {}),
    { message: /EIO/ },
  )
})

test('a partition that was cut with its image is found, and told of', async (t) => {
  const disk = diskOf(t, 'dos', [mkntfs(t, 4 * MIB)]).subarray(0, 3 * MIB)
  const findings: string[] = []
  const found = await find(disk, undefined, findings)
  t.is(found.source.size, BigInt(2 * MIB))
  t.regex(findings.join(), /partition 1 reaches past the end/)
})

test('a volume is found in a partition of a disk in an AFF4 image', async (t) => {
  const source = await openImage('test/data/aff4/Base-Linear-AllHashes.aff4')
  const found = await findVolume(source, undefined, ({ message }) => t.fail(message))
  t.like(found, { offset: 65536n, partition: { index: 1, length: 265_289_728n } })
  t.is(Buffer.from(await found.source.read(3n, 8)).toString(), 'NTFS    ')
})

test('what is there instead is named', async (t) => {
  const image = (at: number, text: string) => {
    const bytes = Buffer.alloc(MIB, 0x11)
    bytes.write(text, at, 'latin1')
    return bytes
  }
  await refused(t, image(3, '-FVE-FS-'), /but a volume that BitLocker encrypts/, /unlock it first/)
  await refused(t, image(3, 'ReFS\0\0\0\0'), /but a ReFS volume/)
  await refused(t, image(3, 'EXFAT   '), /but an exFAT volume/)
  await refused(t, image(82, 'FAT32   '), /but a FAT32 volume/)
  await refused(t, image(0x438, '\x53\xef'), /but an ext volume/)
  await refused(t, image(0, 'LUKS\xba\xbe'), /but a volume that LUKS encrypts/, /unlock/)
  await refused(t, image(512, 'LABELONE'), /but a physical volume of LVM/)
  await refused(t, image(0, 'PK\x03\x04'), /but a ZIP file/, /VOLUME\.aff4:STREAM/)
  await refused(t, image(0, 'EVF\x09\x0d\x0a\xff\x00'), /but an EWF image/, /image-cat/)
  await refused(t, image(0, '\x1f\x8b'), /but a gzip file/, /gzip -dc/)
  await refused(t, image(0, '\xfd7zXZ\0'), /but an xz file/, /xz -dc/)
  await refused(t, Buffer.alloc(MIB), /but zeros/)
  await refused(t, Buffer.alloc(0), /is empty/)
  await refused(t, image(0, 'x'), /no boot sector of NTFS, and no backup/, /--offset/)
})

test('a disk without an NTFS volume says what its partitions are', async (t) => {
  const fat = Buffer.alloc(MIB)
  fat.write('FAT32   ', 82)
  fat.writeUInt16LE(0xaa55, 510)
  const disk = diskOf(t, 'dos', [fat, Buffer.alloc(MIB)])
  await refused(t, disk, /2 partitions of its MBR: 1 at 1048576 is a FAT32 volume, 2 at 2097152 is zeros/)
})
