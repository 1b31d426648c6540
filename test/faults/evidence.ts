import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { craftKcore, fixture } from '../platform/linux/fixture.js'
import { driverYaml, efiRecord, KERNEL_VERSION } from '../platform/macos/driver-yaml.js'
import { type FarHost, farHost } from '../sources/ssh/far-host.js'
import { journalVolume } from '../volumes/ntfs/journal-volume.js'
import type { Span } from './contents.js'
import { RUNS } from './ranges.js'
import { type StillProcess, startStillProcess } from './still-process.js'

const MIB = 1 << 20
const LARGE = 72 * MIB
const PAGE = 4096

export interface Evidence {
  folder: string
  /** A file of 8 MiB, not of whole pages. */
  flat: string
  /** One that is longer than what any sink holds before it is on the disk. */
  large: string
  /** It has the files that are here. */
  host: FarHost
  /** What a memory truly is: a flat image of it, and its ranges. */
  memory: { truth: string; runs: readonly Span[] }
  /** What the driver of a Mac with that memory tells. */
  info: string
  still: StillProcess
  /** What icat reads of a file of an NTFS volume. */
  ntfsFile: { truth: string; size: number }
}

/** Bytes that come again with the same key. */
function noise(key: string, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let have = 0; have < length; have += 64)
    blocks.push(createHash('sha512').update(`${key} ${have}`).digest())
  return Buffer.concat(blocks, length)
}

/** Pages that compress, pages that don't, and zeros, by turns of a few. */
function pages(key: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const dense = noise(key, MIB)
  for (let at = 0; at < length; at += PAGE) {
    const turn = (at >> 15) % 7
    if (turn < 3)
      dense.copy(bytes, at, ((at * 3) % MIB) & ~(PAGE - 1), (((at * 3) % MIB) & ~(PAGE - 1)) + PAGE)
    else if (turn < 5) bytes.fill(`${key} at ${at.toString(16)}, `, at, Math.min(at + PAGE, length))
    bytes.writeUInt32LE(turn < 5 ? at : 0, at)
  }
  return bytes
}

/** Where in the memory the banner of a kernel stands. */
const BANNER_AT = 0x212340
/** A record of LiME in front of what it holds. */
function limeHeader(start: number, end: number): Buffer {
  const head = Buffer.alloc(32)
  head.writeUInt32LE(0x4c694d45, 0)
  head.writeUInt32LE(1, 4)
  head.writeBigUInt64LE(BigInt(start), 8)
  head.writeBigUInt64LE(BigInt(end - 1), 16)
  return head
}

/**
 * Makes what the sources read.
 * @param ends gets what is to be done when all is over
 */
export async function makeEvidence(folder: string, ends: (() => unknown)[]): Promise<Evidence> {
  const put = (name: string, bytes: Buffer) => {
    fs.writeFileSync(path.join(folder, name), bytes)
    return path.join(folder, name)
  }
  put('evidence.raw', pages('flat', 8 * MIB + 700))
  const largePages = pages('large', LARGE)
  const large = put('large.raw', largePages)
  put('large.lime', Buffer.concat([limeHeader(0, LARGE), largePages]))
  const all = pages('memory', RUNS.at(-1)![1])
  all.write(KERNEL_VERSION, BANNER_AT)
  const memory = Buffer.alloc(all.length)
  const lime: Buffer[] = []
  for (const [start, end] of RUNS) {
    all.copy(memory, start, start, end)
    lime.push(limeHeader(start, end), all.subarray(start, end))
  }
  const records = RUNS.map(([start, end]) =>
    efiRecord('EfiConventionalMemory', BigInt(start), BigInt(end - start)),
  )
  const info = put('mac.yaml', Buffer.from(driverYaml({ versionOffset: BigInt(BANNER_AT), records })))
  put('memory.lime', Buffer.concat(lime))
  put('ntfs.raw', gunzipSync(fs.readFileSync('test/data/ntfs/colin_testfs1.raw.gz')))
  writeKcore(folder, memory)
  const teardown = (end: () => unknown) => ends.push(end)
  fs.symlinkSync(await journalVolume({ teardown }), path.join(folder, 'journal.raw'))
  const script = `set -eo pipefail
    image-cat memory.lime | pmem-compress snappy | aff4-sink memory.aff4
    image-cat memory.lime | avml-sink memory.avml
    image-cat memory.lime | elf-sink memory.core
    image-cat memory.lime | kdump-sink memory.kdump
    image-cat memory.lime | crashdump-sink memory.dmp
    image-cat memory.lime | ewf-sink memory.E01
    file-cat evidence.raw | ewf-sink evidence.E01
    file-cat evidence.raw | pmem-compress zlib | aff4-sink evidence.aff4
    icat ntfs.raw 2 >ntfs.truth
    set +o pipefail
    image-cat memory.lime | pmem-compress lz4 | head -c 2M | aff4-sink -q second.aff4 || mv second.partial.aff4 memory.partial.aff4
    file-cat evidence.raw | pmem-compress snappy | head -c 2M | aff4-sink -q second.aff4 || mv second.partial.aff4 evidence.partial.aff4`
  execFileSync('bash', ['-c', script], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  return {
    folder,
    flat: path.join(folder, 'evidence.raw'),
    large,
    info,
    still: await startStillProcess(folder, pages('process', 8 * MIB), ends),
    host: farHost({ teardown }),
    ntfsFile: {
      truth: path.join(folder, 'ntfs.truth'),
      size: fs.statSync(path.join(folder, 'ntfs.truth')).size,
    },
    memory: { truth: put('memory.truth', memory), runs: RUNS },
  }
}

const DIRECT_MAP = 0xffff888000000000n

/** The notes of a real kcore, and the memory behind them. */
function writeKcore(folder: string, memory: Buffer): void {
  const real = fixture('l4.kcore')
  const notes = real.subarray(Number(real.readBigUInt64LE(64 + 8)))
  const [notesAt, memoryAt] = [0x1000, 0x10000]
  const loads = RUNS.map(([start, end]) => ({
    offset: BigInt(memoryAt + start),
    vaddr: DIRECT_MAP + BigInt(start),
    paddr: BigInt(start),
    length: BigInt(end - start),
  }))
  const note = { type: 4, offset: BigInt(notesAt), vaddr: 0n, paddr: 0n, length: BigInt(notes.length) }
  const file = Buffer.alloc(memoryAt + memory.length)
  craftKcore([note, ...loads]).copy(file)
  notes.copy(file, notesAt)
  memory.copy(file, memoryAt)
  fs.writeFileSync(path.join(folder, 'kernel.ram'), file)
  const row = ([start, end]: Span) =>
    `${start.toString(16).padStart(8, '0')}-${(end - 1).toString(16)} : System RAM\n`
  fs.writeFileSync(path.join(folder, 'iomem'), RUNS.map(row).join(''))
}
