import zlib from 'node:zlib'
import type { Run } from '../../address-space.js'
import type { Bytes } from '../../byte-source.js'
import { min } from '../../min-max.js'
import {
  encodeHeader2Text,
  encodeHeaderText,
  type HeaderValues,
  header2Time,
  headerTime,
} from '../header-text.js'
import {
  COMPRESSION,
  encodeDigest,
  encodeErrors,
  encodeHash,
  encodeVolume,
  SIZES,
  type Volume,
} from '../structs.js'
import { CHUNK_SIZE, type EncodedChunk, type MediaChunks, openMediaChunks } from './chunks.js'
import { errorEntries } from './error-entries.js'
import { paddedZlib, paddedZlibSize } from './padded-zlib.js'
import { openSegment, type Segment, type SegmentFile } from './segment.js'

/** The last level of zlib that is called `fast`. */
const FAST = 5
/** Chunks of a table, of at most 16,375 that every EnCase takes: those that have none yet are lost when we are killed. */
const ENTRIES = 1024
/** The same where nothing can be written again: they are held until it stands. */
const ENTRIES_HELD = 128
/** Characters by which notes may grow. */
export const NOTES_GROWTH = 512
const DATA_SECTION = SIZES.section + SIZES.volume
const DIGEST_SECTIONS = 2 * SIZES.section + SIZES.digest + SIZES.hash
const ERROR_SECTION = SIZES.section + SIZES.errorHeader + SIZES.checksum

/** Where the segments of a set go. */
export interface SegmentFiles {
  /** @param number from 1 on, in order @throws where there can be no more */
  open(number: number): Promise<SegmentFile>
  /** Nothing is to be left of the last one. */
  drop(number: number): Promise<void>
}

export interface SetDescription {
  readonly mediaType: number
  readonly mediaFlags: number
  /** A power of two from 512 to 4096. */
  readonly sectorSize: number
  /** Of zlib: 0 to 9. */
  readonly level: number
  /** Most bytes of a segment file: 1 MiB, at least. */
  readonly segmentSize: number
  /** 16 bytes that all segments share. */
  readonly setId: Bytes
  /** Case data, without notes and times. */
  readonly values: HeaderValues
  /** When it was acquired, in seconds since the Unix epoch. */
  readonly time: number | undefined
  readonly notes: string
  /** Bytes that will come; 0 where that is not known ahead. */
  readonly size: bigint
}

/** What is known once the media is over. */
export interface SetConclusion {
  /** Bytes of the media that could not be read, ascending. */
  readonly errors: readonly Run[]
  /** In the place of those that it began with, at most NOTES_GROWTH longer. */
  readonly notes: string
}

/** An EWF-E01 set while its media comes, from the first byte on. */
export interface SetWriter extends Pick<MediaChunks, 'put' | 'make' | 'digests' | 'close'> {
  /** Bytes of media that have come. */
  readonly size: bigint
  /** Leaves room in its segment for one more range that could not be read. */
  expectError(): void
  /** All media has come: fills its last sector up with zeros, and writes what is left, digests last. */
  complete(conclusion: SetConclusion): Promise<void>
  /**
   * Not all media has come, whatever was thought before, or it could not be written: makes a set of what there is,
   * without digests.
   * @returns bytes of media that are in it
   */
  abandon(conclusion: SetConclusion): Promise<bigint>
}

const HEADER2 = {
  type: 'header2',
  encode: (about: SetDescription, t: string): Bytes =>
    encodeHeader2Text({ ...valuesAt(about, header2Time), t }),
}
const HEADER = {
  type: 'header',
  encode: (about: SetDescription, t: string): Bytes =>
    encodeHeaderText({ ...valuesAt(about, headerTime), t }),
}
/** In their order. */
const HEADERS = [HEADER2, HEADER2, HEADER]

function valuesAt({ values, time }: SetDescription, show: (seconds: number) => string): HeaderValues {
  return time === undefined ? values : { ...values, m: show(time), u: show(time) }
}

/** The body of a place that is written again. */
interface Place {
  readonly segment: Segment
  readonly offset: bigint
  readonly size: number
}

/**
 * Begins a set: chunks of 32 KiB, tables and their copies, offsets as EnCase 6 has them. Where files take nothing
 * back, sizes and notes stay as they are given here.
 */
export async function openSet(files: SegmentFiles, about: SetDescription): Promise<SetWriter> {
  const { sectorSize, segmentSize } = about
  const headers: Place[] = []
  const volumes: Place[] = []
  /** The one before `segment`, and the chunks of all before it. */
  let before: Segment | undefined
  let chunksBefore = 0
  let opened = 0
  let errors = 0
  let padding = 0n
  let failed = false
  /** Where the digests stand. */
  let digestsAt: bigint | undefined

  let segment = await nextSegment()
  await writeHeaders()
  await writeVolume('volume')
  const media = openMediaChunks(about.level, writeChunks)
  const size = () => media.size - padding

  async function nextSegment(): Promise<Segment> {
    const number = opened + 1
    const file = await files.open(number)
    opened = number
    const entries = file.seekable ? ENTRIES : ENTRIES_HELD
    return openSegment(file, number, { size: segmentSize, entries })
  }

  async function writeHeaders(): Promise<void> {
    for (const { type, encode } of HEADERS) {
      const text = encode(about, about.notes)
      const body = segment.file.seekable
        ? paddedZlib(text, paddedZlibSize(text.length + 2 * NOTES_GROWTH))
        : zlib.deflateSync(text)
      headers.push({ segment, offset: await segment.section(type, body), size: body.length })
    }
  }

  async function writeVolume(type: 'volume' | 'data', mediaSize = about.size): Promise<void> {
    const body = encodeVolume(describeVolume(about, mediaSize))
    volumes.push({ segment, offset: await segment.section(type, body), size: body.length })
  }

  /** Sections that follow the chunks of a segment, should it be the last. */
  const tail = () =>
    (segment.number === 1 ? DATA_SECTION : 0) +
    (errors > 0 ? ERROR_SECTION + errors * SIZES.errorEntry : 0) +
    DIGEST_SECTIONS

  async function writeChunks(chunks: readonly EncodedChunk[]): Promise<void> {
    if (failed) throw new Error('what could not be written is not tried again')
    try {
      for (const chunk of chunks) {
        if (!segment.takes(chunk.length, tail())) await turnOver()
        const adding = segment.add(chunk)
        if (adding) await adding
      }
      await segment.flush()
    } catch (error) {
      failed = true
      throw error
    }
  }

  async function turnOver(): Promise<void> {
    await segment.closeChunks()
    await segment.end('next')
    const next = await nextSegment()
    chunksBefore += segment.chunks
    before = segment
    segment = next
    await writeVolume('data')
  }

  /** Ends the chunks, and writes all that follows. @returns bytes of media in the set */
  async function conclude({ errors, notes }: SetConclusion, digests?: Digests): Promise<bigint> {
    await segment.closeChunks()
    const kept = keptSize()
    // Both say the same, where the first cannot be written again.
    if (segment.number === 1) await writeVolume('data', segment.file.seekable ? kept : about.size)
    const entries = errorEntries(errors, kept, sectorSize)
    if (entries.length > 0) await segment.section('error2', encodeErrors(entries))
    digestsAt = segment.file.position
    if (digests) {
      await segment.section('digest', encodeDigest(digests.md5, digests.sha1))
      await segment.section('hash', encodeHash(digests.md5))
      await segment.end('done')
    } else await markIncomplete()
    return tell(notes)
  }

  /** The last sections of a set that is not whole. */
  async function markIncomplete(): Promise<void> {
    await segment.section('incomplete', new Uint8Array())
    await segment.end('done')
  }

  /** What is known in the end. @returns bytes of media in the set */
  async function tell(notes: string): Promise<bigint> {
    const kept = keptSize()
    await rewrite(kept, notes)
    return kept
  }

  const keptSize = (): bigint => min(size(), BigInt(chunksBefore + segment.chunks) * BigInt(CHUNK_SIZE))

  /** Tells in the sections that stand already what is known now. */
  async function rewrite(mediaSize: bigint, notes: string): Promise<void> {
    if (!segment.file.seekable) return
    if (mediaSize !== about.size) {
      const body = encodeVolume(describeVolume(about, mediaSize))
      for (const { segment, offset } of volumes) await segment.file.writeAt(offset, body)
    }
    for (const [index, { encode }] of HEADERS.entries()) {
      const { segment, offset, size } = headers[index]!
      await segment.file.writeAt(offset, paddedZlib(encode(about, notes), size))
    }
  }

  async function fillSector(): Promise<void> {
    padding = (BigInt(sectorSize) - (media.size % BigInt(sectorSize))) % BigInt(sectorSize)
    if (padding > 0n) await media.make(padding, (into) => into.fill(0))
  }

  /** After a failed write: the chunks that are in files, closed; a segment without any goes away. */
  async function salvage(): Promise<void> {
    await segment.salvage(tail())
    if (segment.chunks === 0 && before) {
      segment = before
      before = undefined
      chunksBefore -= segment.chunks
      await segment.salvage(0)
    }
    for (; opened > segment.number; opened--) await files.drop(opened)
    volumes.splice(segment.number)
  }

  return {
    get size() {
      return size()
    },
    put: media.put,
    make: media.make,
    digests: media.digests,
    close: media.close,
    expectError() {
      errors++
    },
    async complete(conclusion) {
      await fillSector()
      await media.flush()
      await conclude(conclusion, media.digests())
    },
    async abandon(conclusion) {
      if (digestsAt !== undefined) {
        await segment.cut(digestsAt)
        await markIncomplete()
        return await tell(conclusion.notes)
      }
      try {
        if (!failed) {
          await fillSector()
          await media.flush()
          return await conclude(conclusion)
        }
      } catch (error) {
        if (!segment.file.seekable) throw error
      }
      if (!segment.file.seekable) return keptSize()
      await salvage()
      try {
        return await conclude(conclusion)
      } catch {
        // Not even for these is there room.
        await segment.salvage(0)
        volumes.splice(segment.number)
        await segment.end('done')
        return await tell(conclusion.notes)
      }
    },
  }
}

type Digests = ReturnType<MediaChunks['digests']>

function describeVolume(about: SetDescription, mediaSize: bigint): Volume {
  const { sectorSize, level } = about
  const sectors = (mediaSize + BigInt(sectorSize) - 1n) / BigInt(sectorSize)
  const sectorsPerChunk = CHUNK_SIZE / sectorSize
  return {
    mediaType: about.mediaType,
    chunks: Number((sectors + BigInt(sectorsPerChunk) - 1n) / BigInt(sectorsPerChunk)),
    sectorsPerChunk,
    bytesPerSector: sectorSize,
    sectors,
    cylinders: 0,
    heads: 0,
    sectorsPerTrack: 0,
    mediaFlags: about.mediaFlags,
    palmStart: 0,
    smartLogsStart: 0,
    compression: level === 0 ? COMPRESSION.none : level <= FAST ? COMPRESSION.fast : COMPRESSION.best,
    errorGranularity: 1,
    setId: about.setId,
  }
}
