import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { adler32 } from '../../../src/codecs/adler32.js'
import { encodeHeaderText, type HeaderValues } from '../../../src/formats/ewf/header-text.js'
import { segmentExtension } from '../../../src/formats/ewf/segment-names.js'
import * as ewf from '../../../src/formats/ewf/structs.js'

const CHUNK = 32768
const SECTOR = 512

export interface EwfMaker {
  /** Without extension. */
  readonly stem?: string
  /**
   * `smart`: chunks in the table, no footer, a short volume. `encase1`: chunks in the table. `encase5`: offsets from the
   * beginning of the file. `encase6`: offsets from the chunks.
   */
  readonly form?: 'smart' | 'encase1' | 'encase5' | 'encase6'
  readonly chunksPerTable?: number
  readonly tablesPerSegment?: number
  /** Whether a chunk is deflated; all of SMART are. */
  readonly deflates?: (chunk: number) => boolean
  readonly header?: HeaderValues
  readonly volume?: Partial<ewf.Volume>
  readonly errors?: readonly ewf.ErrorEntry[]
  /** Whether it has the digests of the media. */
  readonly digests?: boolean
}

/** An EWF image of media, its segments by their names, as section 6 of the format's description has it. */
export function makeEwf(media: Buffer, made: EwfMaker = {}): Record<string, Buffer> {
  const {
    stem = 'made',
    form = 'encase6',
    chunksPerTable = 16375,
    tablesPerSegment = 1,
    digests = true,
  } = made
  const chunks = Array.from({ length: Math.ceil(media.length / CHUNK) }, (_, index) =>
    storedChunk(
      media.subarray(index * CHUNK, (index + 1) * CHUNK),
      form === 'smart' || made.deflates?.(index) !== false,
    ),
  )
  const tables = Array.from({ length: Math.ceil(chunks.length / chunksPerTable) }, (_, index) =>
    chunks.slice(index * chunksPerTable, (index + 1) * chunksPerTable),
  )
  const volume = volumeBody(media, chunks.length, made)
  const segments = Math.max(1, Math.ceil(tables.length / tablesPerSegment))
  const files: Record<string, Buffer> = {}
  for (let number = 1; number <= segments; number++) {
    const file = openSegment(number)
    if (number === 1) {
      file.section('header', deflateSync(encodeHeaderText(made.header ?? {})))
      file.section('volume', volume)
    } else if (form === 'encase5' || form === 'encase6') file.section('data', volume)
    for (const table of tables.slice((number - 1) * tablesPerSegment, number * tablesPerSegment))
      addTable(file, table, form)
    const last = number === segments
    if (last && made.errors) file.section('error2', ewf.encodeErrors(made.errors))
    if (last && digests) {
      const md5 = createHash('md5').update(media).digest()
      if (form === 'encase6')
        file.section('digest', ewf.encodeDigest(md5, createHash('sha1').update(media).digest()))
      file.section('hash', ewf.encodeHash(md5))
    }
    file.end(last ? 'done' : 'next')
    files[`${stem}.${segmentExtension(form === 'smart' ? 'S' : 'E', number)}`] = file.bytes()
  }
  return files
}

function volumeBody(media: Buffer, chunks: number, { form, volume }: EwfMaker) {
  const common = { chunks, sectorsPerChunk: CHUNK / SECTOR, bytesPerSector: SECTOR }
  const sectors = media.length / SECTOR
  if (form === 'smart') return ewf.encodeOldVolume({ ...common, sectors, signature: 'SMART' })
  return ewf.encodeVolume({
    ...common,
    mediaType: ewf.MEDIA_TYPE.fixed,
    sectors: BigInt(sectors),
    cylinders: 0,
    heads: 0,
    sectorsPerTrack: 0,
    mediaFlags: ewf.MEDIA_FLAG.image | ewf.MEDIA_FLAG.physical,
    palmStart: 0,
    smartLogsStart: 0,
    compression: ewf.COMPRESSION.fast,
    errorGranularity: 64,
    setId: new Uint8Array(16),
    ...volume,
  })
}

interface StoredChunk {
  readonly bytes: Buffer
  readonly compressed: boolean
}

function storedChunk(chunk: Buffer, deflated: boolean): StoredChunk {
  if (deflated) return { bytes: deflateSync(chunk, { level: 1 }), compressed: true }
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(adler32(chunk))
  return { bytes: Buffer.concat([chunk, sum]), compressed: false }
}

function addTable(file: SegmentFile, chunks: readonly StoredChunk[], form: EwfMaker['form']): void {
  const stored = Buffer.concat(chunks.map(({ bytes }) => bytes))
  const entriesFrom = (start: number) => {
    let at = start
    return chunks.map(({ bytes, compressed }) => {
      const entry = at + (compressed ? ewf.ENTRY_COMPRESSED : 0)
      at += bytes.length
      return entry
    })
  }
  const { section, tableHeader, checksum } = ewf.SIZES
  if (form === 'smart' || form === 'encase1') {
    const footer = form === 'smart' ? 0 : checksum
    const body = file.position() + section
    const start = body + tableHeader + 4 * chunks.length + footer
    const table = ewf.encodeTable(0n, entriesFrom(start))
    file.section('table', Buffer.concat([table.subarray(0, start - body), stored]))
    return
  }
  const base = form === 'encase6' ? BigInt(file.position()) : 0n
  const start = file.position() + section - Number(base)
  file.section('sectors', stored)
  const table = ewf.encodeTable(base, entriesFrom(start))
  file.section('table', table)
  file.section('table2', table)
}

export interface SegmentFile {
  position(): number
  section(type: string, body: Uint8Array): void
  end(type: 'next' | 'done'): void
  /** Adds zeros. */
  pad(length: number): void
  bytes(): Buffer
}

/** A segment file to which sections are added one by one. */
export function openSegment(number: number): SegmentFile {
  const pieces: Uint8Array[] = [ewf.encodeFileHeader(number)]
  let at = ewf.SIZES.fileHeader
  const add = (bytes: Uint8Array) => {
    pieces.push(bytes)
    at += bytes.length
  }
  return {
    position: () => at,
    section(type, body) {
      const size = ewf.SIZES.section + body.length
      add(ewf.encodeSection({ type, next: BigInt(at + size), size: BigInt(size) }))
      add(body)
    },
    end(type) {
      add(ewf.encodeSection({ type, next: BigInt(at), size: 0n }))
    },
    pad: (length) => add(new Uint8Array(length)),
    bytes: () => Buffer.concat(pieces),
  }
}
