import type { Log } from '../cli/messages.js'
import type { Output } from '../cli/output.js'
import { showSize } from '../cli/sizes.js'
import {
  defaultThreads,
  JOB_BYTES,
  openChunkCompressor,
  type StoredChunk,
} from '../codecs/chunk-compressor.js'
import { copyBytes } from '../codecs/copy-bytes.js'
import { mergeRuns, type Run, sumOfRuns } from '../formats/address-space.js'
import { fillSymbolic } from '../formats/aff4/symbolic.js'
import { createRecordBuilder } from '../formats/avml/record-builder.js'
import { MOST_CONTENT } from '../formats/avml/snappy-frames.js'
import type { Bytes } from '../formats/byte-source.js'
import { AVML_RECORD_SIZE } from '../formats/lime/record-remarks.js'
import { min } from '../formats/min-max.js'
import { announcedBytes } from '../frames/streams.js'
import type { Evidence, ImageWriter } from './memory-image.js'
import { outOfOrder, refuseUnfit } from './record-ranges.js'

export interface AvmlSettings {
  /** Leave out records that are all zeros. */
  readonly elideZeros: boolean
  readonly log: Log
}

/** A part of a record that is being compressed: `last` completes the record of the range. */
interface Job {
  readonly stored: Promise<StoredChunk<'snappy'>[]>
  readonly chunks: readonly Bytes[]
  readonly last: Run | undefined
}

/**
 * Begins an AVML image: records of up to 16 MiB, compressed on all cores, each written once it is whole, so that what
 * is in the output is always whole records.
 * @throws {ToolError} where the stream is none that AVML has a place for
 */
export async function beginAvml(
  output: Output,
  { stream }: Evidence,
  announced: readonly Run[] | undefined,
  { elideZeros, log }: AvmlSettings,
): Promise<ImageWriter> {
  refuseUnfit(stream, 'AVML')
  output.space.demand(announcedBytes(stream))
  await output.write()

  const compressor = openChunkCompressor({
    codec: 'snappy',
    crc32c: true,
    threads: defaultThreads(),
    keep: 0,
  })
  compressor.expect(sumOfRuns(announced ?? []))
  const slabs = Array.from({ length: compressor.depth + 1 }, () =>
    Buffer.from(new SharedArrayBuffer(JOB_BYTES)),
  )
  /** One is written while the other one grows. */
  let [record, other] = [createRecordBuilder(), createRecordBuilder()]
  record.begin()
  const jobs: Job[] = []
  let slab = slabs[0]!
  let submitted = 0
  let filled = 0
  /** The record that bytes come for. */
  let start = 0n
  let next = 0n
  const written: Run[] = []
  let writing: Promise<void> = Promise.resolve()
  let elided = 0n
  let warned = false
  let failed = false

  const roomOfRecord = (): bigint => start + AVML_RECORD_SIZE - next

  function warnOfSize(range: Run): void {
    if (warned || BigInt(record.framed) < range.length) return
    warned = true
    log.warn(
      `${output.name}: the record at 0x${range.start.toString(16)} does not compress: it is longer than its range`,
      'Volatility 3 does not end on such a file; lime-sink writes one that it reads',
    )
  }

  /** Hands a whole record to be written, behind the one before. */
  async function writeRecord(range: Run): Promise<void> {
    if (elideZeros && record.zero) elided += range.length
    else {
      warnOfSize(range)
      const bytes = record.finish(range.start, range.length)
      await writing
      writing = output.write(bytes).then(() => void written.push(range))
      writing.catch(() => {}) // met by who waits for it next
      ;[record, other] = [other, record]
    }
    record.begin()
  }

  /** Takes the oldest job's chunks into the record. */
  async function collect(): Promise<void> {
    const { stored, chunks, last } = jobs.shift()!
    for (const [i, chunk] of (await stored).entries())
      if (chunk.zero) record.addZeros(chunks[i]!.length)
      else record.add(chunk.bytes, chunk.codec === 'snappy', chunk.crc32c!)
    if (last) await writeRecord(last)
  }

  async function submit(last: Run | undefined): Promise<void> {
    if (jobs.length === compressor.depth) await collect()
    const chunks: Bytes[] = []
    for (let at = 0; at < filled; at += MOST_CONTENT)
      chunks.push(slab.subarray(at, Math.min(at + MOST_CONTENT, filled)))
    jobs.push({ stored: compressor.submit(chunks), chunks, last })
    submitted++
    slab = slabs[submitted % slabs.length]!
    filled = 0
  }

  async function endRecord(): Promise<void> {
    if (next === start) return
    await submit({ start, length: next - start })
    start = next
  }

  /** @param fill is given pieces to fill, and the distance of each from `address` */
  async function add(address: bigint, length: bigint, fill: (into: Bytes, distance: bigint) => void) {
    if (address !== next) {
      await endRecord()
      if (address < next) throw outOfOrder(address, next)
      start = next = address
    }
    for (let done = 0n; done < length; ) {
      const size = Number(min(min(length - done, roomOfRecord()), BigInt(JOB_BYTES - filled)))
      fill(slab.subarray(filled, filled + size), done)
      filled += size
      next += BigInt(size)
      done += BigInt(size)
      if (roomOfRecord() === 0n) await endRecord()
      else if (filled === JOB_BYTES) await submit(undefined)
    }
  }

  async function guarded(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      failed = true
      throw error
    }
  }

  async function complete(): Promise<void> {
    await endRecord()
    while (jobs.length > 0) await collect()
    await writing
  }

  return {
    put(address, bytes): void | Promise<void> {
      const fits = filled + bytes.length < JOB_BYTES && BigInt(bytes.length) < roomOfRecord()
      if (address !== next || !fits)
        return guarded(
          add(address, BigInt(bytes.length), (into, from) =>
            copyBytes(into as Buffer, 0, bytes.subarray(Number(from), Number(from) + into.length)),
          ),
        )
      copyBytes(slab, filled, bytes)
      filled += bytes.length
      next += BigInt(bytes.length)
    },
    fill: (address, length, content) =>
      guarded(add(address, length, (into, from) => fillSymbolic(content, address + from, into))),
    // Bytes are copied as they come.
    release() {},
    async finish() {
      try {
        await guarded(failed ? writing.catch(() => {}) : complete())
      } finally {
        await compressor.close()
        if (failed && output.seekable) await output.truncate(output.position)
      }
      if (elided > 0n) log.info(`${output.name}: ${showSize(elided)} of records of zeros are left out`)
      return mergeRuns(written)
    },
  }
}
