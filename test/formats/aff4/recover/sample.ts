import { compress } from '../../../../src/codecs/codec.js'
import type { WritableCodec } from '../../../../src/codecs/codec-error.js'
import { aff4, iri, RDF_TYPE } from '../../../../src/formats/aff4/lexicon.js'
import { freshUrn } from '../../../../src/formats/aff4/names.js'
import { fillSymbolic } from '../../../../src/formats/aff4/symbolic.js'
import { createVolume, type VolumeWriter } from '../../../../src/formats/aff4/writer.js'
import { bufferSink } from '../../buffer-sink.js'
import { contentOf } from '../recipe.js'

/** An image of a sample: what it reads as, and which of its ranges are stored. */
export interface SampleImage {
  readonly urn: string
  readonly expected: Buffer
  readonly stored: readonly { readonly start: number; readonly length: number }[]
}

export interface Sample {
  readonly bytes: Buffer
  readonly images: readonly SampleImage[]
  /** Small files by URN. */
  readonly files: ReadonlyMap<string, Buffer>
}

const CHUNK = 4096

/** A volume as the tools write them: a sparse memory, disks of every codec, small files between them. */
export async function writeSample(): Promise<Sample> {
  const sink = bufferSink()
  return { ...(await fillVolume(await createVolume(sink, { tool: 'test' }))), bytes: sink.bytes() }
}

/** Puts the streams of a sample into a volume, and finishes it. */
export async function fillVolume(volume: VolumeWriter): Promise<Omit<Sample, 'bytes'>> {
  const files = new Map<string, Buffer>()
  const folder = freshUrn().slice(-6)
  const images = [await addMemory(volume)]
  for (const [index, codec] of (['zlib', 'lz4', 'none', 'snappy'] as const).entries()) {
    const file = `${volume.urn}/boot/${folder}/file%20${index}`
    const bytes = contentOf(index, 3000 * (index + 1))
    files.set(file, bytes)
    await volume.segment(file, bytes)
    volume.declare(file, 'FileImage', 'ZipSegment')
    images.push(await addDisk(volume, codec, index))
  }
  await volume.finish()
  return { images, files }
}

async function addMemory(volume: VolumeWriter): Promise<SampleImage> {
  const urn = freshUrn()
  volume.declare(urn, 'MemoryImage')
  volume.graph.add(urn, RDF_TYPE, iri(aff4('Image')))
  const map = volume.map({ image: urn })
  const stream = volume.imageStream({ chunkSize: CHUNK, chunksPerBevy: 4, blockHashes: ['sha1'] }, map)
  const expected = Buffer.alloc(60 * CHUNK)
  const stored: { start: number; length: number }[] = []
  for (let page = 0; page < 58; page++) {
    const start = page * CHUNK
    if (page % 7 === 3) continue
    if (page % 11 === 5) {
      map.addSymbolic(BigInt(start), BigInt(CHUNK), 'unreadable')
      fillSymbolic('unreadable', BigInt(start), expected.subarray(start, start + CHUNK))
      continue
    }
    const content = contentOf(page, CHUNK)
    content.copy(expected, start)
    await addChunk(stream, 'snappy', content, (targetOffset) =>
      map.add({ offset: BigInt(start), length: BigInt(CHUNK), targetOffset, target: stream.urn }),
    )
    stored.push({ start, length: CHUNK })
  }
  map.addSymbolic(BigInt(58 * CHUNK), BigInt(2 * CHUNK), 'zero')
  await map.close()
  return { urn, expected, stored }
}

async function addDisk(volume: VolumeWriter, codec: WritableCodec, seed: number): Promise<SampleImage> {
  const urn = freshUrn()
  volume.declare(urn, 'DiskImage', 'ContiguousImage')
  const map = volume.map({ image: urn })
  const stream = volume.imageStream({ chunkSize: CHUNK, chunksPerBevy: 5 }, map)
  const expected = Buffer.alloc(23 * CHUNK)
  for (let chunk = 0; chunk < 23; chunk++) {
    const content = contentOf(100 * seed + chunk, CHUNK)
    content.copy(expected, chunk * CHUNK)
    await addChunk(stream, codec, content, (targetOffset) =>
      map.add({
        offset: BigInt(chunk * CHUNK),
        length: BigInt(CHUNK),
        targetOffset,
        target: stream.urn,
      }),
    )
  }
  await map.close()
  return { urn, expected, stored: [{ start: 0, length: 23 * CHUNK }] }
}

async function addChunk(
  stream: ReturnType<VolumeWriter['imageStream']>,
  codec: WritableCodec,
  content: Buffer,
  added: (targetOffset: bigint) => void,
): Promise<void> {
  if (stream.full) await stream.flush()
  const short = compress(codec, content)
  const at = stream.position
  if (codec !== 'none' && short.length < CHUNK) stream.add(codec, short, () => content)
  else stream.append(content)
  added(at)
}

/** A member by its local header. */
export interface LaidMember {
  readonly name: string
  readonly header: number
  readonly start: number
  readonly end: number
}

/** Where the members of a volume lie, from an offset on, that has real sizes in its local headers: told by nothing else. */
export function layOut(bytes: Buffer, from = 0): LaidMember[] {
  const members: LaidMember[] = []
  for (let at = from; bytes.toString('latin1', at, at + 4) === 'PK\x03\x04'; ) {
    const name = bytes.toString('utf8', at + 30, at + 30 + bytes.readUInt16LE(at + 26))
    const start = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28)
    const end = start + bytes.readUInt32LE(at + 18)
    members.push({ name, header: at, start, end })
    at = end
  }
  return members
}

/** Where each chunk of a volume of ours ends in the file, by the member of its bevy. */
export function chunkEnds(bytes: Buffer, from = 0): Map<string, number[]> {
  const members = new Map(layOut(bytes, from).map((member) => [member.name, member]))
  const ends = new Map<string, number[]>()
  for (const [name, { start }] of members) {
    const index = members.get(`${name}.index`)
    if (!index) continue
    const entries = bytes.subarray(index.start, index.end)
    const of = Array.from(
      { length: entries.length / 12 },
      (_, slot) => Number(entries.readBigUInt64LE(slot * 12)) + entries.readUInt32LE(slot * 12 + 8) + start,
    )
    ends.set(name, of)
  }
  return ends
}

export type Foreign = 'c-aff4' | 'Evimetry' | 'pyaff4'

/**
 * A volume of ours as another writer would have laid it out: no checkpoints, no sizes in the local headers but a
 * descriptor behind the data (c-aff4, Evimetry) or none in spite of its flag (pyaff4), the index behind its bevy but
 * for pyaff4; without a directory.
 */
export function inStyleOf(style: Foreign, bytes: Buffer): Buffer {
  const members = layOut(bytes).filter(({ name }) => !name.includes('/checkpoint/'))
  const ordered =
    style === 'pyaff4'
      ? members
      : members.flatMap((member) => {
          if (member.name.endsWith('.index')) return []
          const index = members.find(({ name }) => name === `${member.name}.index`)
          return index ? [member, index] : [member]
        })
  return Buffer.concat(
    ordered.flatMap(({ header, start, end, name }) => {
      const fixed = Buffer.from(bytes.subarray(header, header + 30))
      const [crc, size] = [fixed.readUInt32LE(14), fixed.readUInt32LE(22)]
      const data = bytes.subarray(start, end)
      fixed.writeUInt16LE(8, 6)
      if (style === 'pyaff4') return [fixed, Buffer.from(name), data]
      const extra = style === 'c-aff4' ? Buffer.alloc(32) : Buffer.alloc(20, 0xff)
      extra.writeUInt16LE(1, 0)
      extra.writeUInt16LE(extra.length - 4, 2)
      fixed.writeUInt32LE(0, 14)
      fixed.fill(style === 'c-aff4' ? 0 : 0xff, 18, 26)
      fixed.writeUInt16LE(extra.length, 28)
      const descriptor = Buffer.alloc(24)
      descriptor.writeUInt32LE(0x08074b50, 0)
      descriptor.writeUInt32LE(crc, 4)
      descriptor.writeBigUInt64LE(BigInt(data.length), 8)
      descriptor.writeBigUInt64LE(BigInt(size), 16)
      return [fixed, Buffer.from(name), extra, data, descriptor]
    }),
  )
}
