import type { ByteSource, Bytes } from '../../byte-source.js'
import { min } from '../../min-max.js'
import { DEFAULT_CHUNK_SIZE } from '../image-stream.js'
import { aff4, long, pmem, text } from '../lexicon.js'
import { STORED } from '../zip/local-header.js'
import { contentOf } from './catalogue.js'
import { isSegment, sizeOf } from './facts.js'
import { type Job, kindsOf, nameOf, settle } from './job.js'
import { createPlaces, lose, place } from './places.js'
import { type FoundMember, inflatePart } from './scan.js'

/** A larger member becomes a stream: it would have to be held in memory. */
const LARGEST_SEGMENT = 16n << 20n
const LARGEST_INFLATED = 64n << 20n
const STEP = 1n << 20n

/** Members of their own that were found, or that the volume says it had. */
export const segmentsOf = ({ found }: Job): Set<string> =>
  new Set([
    ...found.segments.keys(),
    ...[...found.graph.subjects()].filter((urn) => isSegment(found.graph, urn)),
  ])

/** Writes a file that is one member, or what is left of it. */
export async function recoverSegment(job: Job, urn: string): Promise<void> {
  const { source, found, volume, objects, rebuilt, intact } = job
  const member = found.segments.get(urn)
  // It stands beside a map, and is an object to nobody.
  const beside = urn.endsWith('/information.yaml')
  rebuilt.add(urn)
  if (!member) {
    const size = sizeOf(found.graph, urn)
    const lost = size ? [{ start: 0n, length: size }] : []
    objects.push({ urn, name: nameOf(job, urn), kept: 0n, lost, unsure: [], remarks: ['not in the volume'] })
    volume.graph.add(volume.urn, pmem('lostStream'), text(nameOf(job, urn)))
    return
  }
  const bytes = member.state === 'whole' ? await contentOf(source, member, LARGEST_SEGMENT) : undefined
  if (!bytes) return beside ? undefined : recoverPart(job, urn, member)
  await volume.segment(urn, bytes)
  job.copied(bytes.length)
  if (beside) return
  const kinds = kindsOf(job, urn)
  volume.declare(urn, ...(kinds.length > 0 ? kinds : ['FileImage']), 'ZipSegment')
  // pyaff4 lists no file of a volume in which one has no name.
  if (found.graph.value(urn, aff4('originalFileName')) === undefined)
    volume.graph.add(urn, aff4('originalFileName'), text(nameOf(job, urn)))
  const size = BigInt(bytes.length)
  volume.graph.add(urn, aff4('size'), long(size))
  intact.add(urn)
  objects.push({ urn, name: nameOf(job, urn), kept: size, lost: [], unsure: [], remarks: [] })
}

/** A member that is not whole, or too large to be held in memory, goes into a stream. */
async function recoverPart(job: Job, urn: string, member: FoundMember): Promise<void> {
  const { source, found, volume } = job
  const map = volume.map({ image: urn })
  const stream = volume.imageStream({ chunkSize: DEFAULT_CHUNK_SIZE }, map)
  const places = createPlaces()
  const sure = member.state === 'whole'
  let at = 0n
  for await (const bytes of piecesOf(source, member)) {
    for (let done = 0; done < bytes.length; ) {
      if (stream.full) await stream.flush()
      const piece = { within: 0n, at: stream.position, sure }
      const taken = stream.append(bytes.subarray(done))
      place(map, places, at, [{ ...piece, length: BigInt(taken) }], stream.urn)
      done += taken
      at += BigInt(taken)
    }
    job.copied(bytes.length)
  }
  const size = member.size ?? sizeOf(found.graph, urn)
  if (size !== undefined && size > at) lose(map, places, { start: at, length: size - at })
  await map.close()
  const remarks = member.state === 'damaged' ? ['its CRC-32 does not match'] : []
  if (size === undefined) remarks.push('its size is not known: it may have been longer')
  settle(job, urn, map.urn, places, remarks)
}

/** Content of a member, in pieces, as far as it goes. */
async function* piecesOf(source: ByteSource, member: FoundMember): AsyncGenerator<Bytes> {
  if (member.method !== STORED) {
    if (member.available > LARGEST_INFLATED || (member.size ?? 0n) > LARGEST_INFLATED) return
    const stored = await source.read(member.start, Number(member.available))
    const bytes = inflatePart(stored, Number(member.size ?? LARGEST_INFLATED))
    if (bytes) yield bytes
    return
  }
  for (let at = 0n; at < member.available; at += STEP) {
    const left = member.available - at
    yield await source.read(member.start + at, Number(min(left, STEP)))
  }
}
