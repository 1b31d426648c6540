import type { ByteSource } from '../byte-source.js'
import { attributeTypeName } from './attribute-type.js'
import type { Geometry } from './boot-sector.js'
import { assembleFile, type NtfsFile } from './file.js'
import type { FileAttribute } from './file-attribute.js'
import type { FileReference } from './file-reference.js'
import { findMft } from './find-mft.js'
import { NtfsError, type Report } from './finding.js'
import { decodeRecord, type MftRecord } from './record.js'
import { type NtfsStream, openStream } from './stream.js'

/** Records with a place of their own. */
export const RECORD = {
  MFT: 0,
  MFT_MIRROR: 1,
  LOG_FILE: 2,
  VOLUME: 3,
  ATTRIBUTE_DEFINITIONS: 4,
  ROOT: 5,
  BITMAP: 6,
  BOOT: 7,
  BAD_CLUSTERS: 8,
  SECURE: 9,
  UP_CASE: 10,
  EXTEND: 11,
} as const

export interface NtfsVolume {
  readonly source: ByteSource
  readonly geometry: Geometry
  /** Told of everything that is not as it should be, once each. */
  readonly report: Report
  /** $MFT:$DATA. */
  readonly mft: NtfsStream
  readonly recordCount: number
  /**
   * A record as it is on the volume now, its fixups in place.
   * @throws {NtfsError} when there is none of that number, or it cannot be read
   */
  rawRecord(number: number): Promise<Buffer>
  /**
   * A record, perhaps as it was a moment ago; a torn one is read again first.
   * @throws {NtfsError} when it cannot be read or used
   */
  record(number: number): Promise<MftRecord>
  /**
   * The file with this base record, in use or not.
   * @throws {NtfsError} when the record cannot be used, is part of another file, or has been given to another one
   */
  file(reference: number | FileReference): Promise<NtfsFile>
  /** @param name what messages call it */
  stream(attribute: FileAttribute, name?: string): NtfsStream
  /** Drops the records that it remembers: what is asked for next is as it stands on the volume by then. */
  forget(): void
  /** A stream whole. @throws {NtfsError} when it is larger than `limit` bytes, or a byte of it cannot be read */
  read(attribute: FileAttribute, limit: bigint): Promise<Buffer>
  close(): Promise<void>
}

/** Clusters that there are of a volume, whatever its boot sector claims: an image may be cut. */
export const clustersOf = ({ source, geometry }: NtfsVolume): number =>
  Math.min(geometry.clusterCount, Math.ceil(Number(source.size) / geometry.clusterSize))

/** Records in the cache: neighbours are asked for together. */
const WINDOW_SIZE = 32 << 10
const MOST_WINDOWS = 64
const TRIES = 3

/**
 * Opens a volume: reads its boot sector and what leads to $MFT, and nothing else.
 * @param source of the volume alone; it is closed with it
 * @throws {NtfsError} when it is none, or $MFT cannot be found
 */
export async function openVolume(source: ByteSource, report: Report): Promise<NtfsVolume> {
  const once = reportOnce(report)
  const { geometry, mft } = await findMft(source, once)
  if (source.size < geometry.volumeSize)
    once({ message: `the image ends at ${source.size} of ${geometry.volumeSize} bytes`, offset: source.size })
  const { recordSize } = geometry
  const recordCount = Number(mft.size / BigInt(recordSize))
  const windows = new Map<number, Buffer>()
  const readFrom = createWindows(mft, recordSize, recordCount, windows)

  function check(number: number): void {
    if (!Number.isSafeInteger(number) || number < 0 || number >= recordCount)
      throw new NtfsError(`there is no record ${number}`, undefined, `the last one is ${recordCount - 1}`)
  }

  async function rawRecord(number: number): Promise<Buffer> {
    check(number)
    return Buffer.from(await mft.read(BigInt(number) * BigInt(recordSize), recordSize))
  }

  async function record(number: number): Promise<MftRecord> {
    check(number)
    let decoded = decodeRecord(await readFrom(number), number)
    for (let left = TRIES; left > 0 && decoded.torn.length > 0; left--)
      decoded = decodeRecord(await rawRecord(number), number)
    return decoded
  }

  const volume: NtfsVolume = {
    source,
    geometry,
    report: once,
    mft,
    recordCount,
    rawRecord,
    record,
    async file(reference) {
      const { record: number, sequence } =
        typeof reference === 'number' ? { record: reference, sequence: 0 } : reference
      const base = await record(number)
      if (sequence !== 0 && base.sequence !== sequence)
        throw new NtfsError(
          `record ${number} has been given to another file: it has sequence number ${base.sequence}, not ${sequence}`,
        )
      const file = await assembleFile(base, {
        clusterSize: geometry.clusterSize,
        record,
        read: (attribute) => volume.read(attribute, attribute.sizes.data),
      })
      for (const finding of file.findings) once(finding)
      return file
    },
    stream: (attribute, name) => openStream(source, geometry, attribute, name ?? streamName(attribute)),
    async read(attribute, limit) {
      if (attribute.value) return attribute.value
      const stream = volume.stream(attribute)
      if (stream.size > limit) throw new NtfsError(`${stream.name} claims ${stream.size} bytes`)
      return Buffer.from(await stream.read(0n, Number(stream.size)))
    },
    forget: () => windows.clear(),
    close: () => source.close(),
  }
  return volume
}

const streamName = ({ record, type, name }: FileAttribute) =>
  `record ${record}: ${attributeTypeName(type)}${name && `:${name}`}`

/** Different findings that are remembered as told. */
const MOST_FINDINGS = 10_000

function reportOnce(report: Report): Report {
  const told = new Set<string>()
  return (finding) => {
    if (told.has(finding.message)) return
    if (told.size < MOST_FINDINGS) told.add(finding.message)
    report(finding)
  }
}

/** Reads records by windows of neighbours and keeps the latest in `windows`. A window with a place that cannot be read is not kept. */
function createWindows(
  mft: NtfsStream,
  recordSize: number,
  recordCount: number,
  windows: Map<number, Buffer>,
) {
  const perWindow = Math.max(1, WINDOW_SIZE / recordSize)
  return async (number: number): Promise<Buffer> => {
    const index = Math.floor(number / perWindow)
    let window = windows.get(index)
    if (window) windows.delete(index)
    else {
      const first = index * perWindow
      const count = Math.min(perWindow, recordCount - first)
      try {
        window = Buffer.from(await mft.read(BigInt(first) * BigInt(recordSize), count * recordSize))
      } catch {
        return Buffer.from(await mft.read(BigInt(number) * BigInt(recordSize), recordSize))
      }
      if (windows.size === MOST_WINDOWS) windows.delete(windows.keys().next().value!)
    }
    windows.set(index, window)
    const at = (number % perWindow) * recordSize
    return window.subarray(at, at + recordSize)
  }
}
