import { createHash } from 'node:crypto'
import { mergeRuns } from '../../address-space.js'
import { FormatError } from '../../format-error.js'
import { bevyUrn } from '../image-stream.js'
import { aff4, DIGESTS, type DigestName, pmem } from '../lexicon.js'
import { CONTAINER_DESCRIPTION, decodeName, INFORMATION_TURTLE, VERSION_TXT } from '../names.js'
import { formOf, openStream, type StreamEntry } from '../reader.js'
import type { Volume } from '../volume.js'
import { BLOCK, type Context, damageOf, readThrough, taken } from './context.js'
import {
  type Claim,
  claimsIn,
  type Failure,
  isBlockMapHash,
  isDigestType,
  judge,
  openSums,
} from './digest-claims.js'
import type { Report, Tick } from './finding.js'
import { checkEntries, checkMapMembers, type MapDigests, readMap, type Target } from './map-check.js'
import { absence, checkReferences } from './references.js'
import { openStreamCheck, type StreamCheck } from './stream-check.js'
import type { Structure } from './zip-structure.js'

/** Of members of the volume itself: AFF4 Standard v1.0a §6.2, and the one before it. */
const SUMS = ['sha512', 'sha256']
const KINDS = Object.keys(DIGESTS) as DigestName[]

/** Properties whose making nobody has described, and no reader has found out. */
const UNDOCUMENTED = ['imageStreamHash', 'linearBlockHash'].map(aff4)

/** Members that are named as belonging to nothing, before they are only counted. */
const MOST_NAMED = 100

type Form = StreamEntry['form']
interface Found {
  readonly volume: Volume
  readonly form: Form
}

/**
 * Checks everything that volumes which belong together state about what they hold, and that it is all there. Every
 * member is read once; memory doesn't grow with them.
 */
export async function verifyVolumes(
  volumes: readonly Volume[],
  structures: ReadonlyMap<Volume, Structure>,
  report: Report,
  tick: Tick,
): Promise<void> {
  const context: Context = {
    volumes,
    structures,
    report,
    tick,
    compared: new Map(),
    owned: new Set(),
    judged: new Set(),
  }
  const graphs = volumes.map(({ graph }) => graph)
  const objects = findObjects(volumes)
  const images = imagesByData(volumes)
  const streams = new Map<string, StreamCheck | undefined>()
  const maps = new Map<string, { volume: Volume; digests: MapDigests; targets: readonly string[] }>()
  const claims = (subject: string, predicate: string) => taken(context, claimsIn(graphs, subject, predicate))

  /** The digests that are stated of the bytes of an object: its own, and those of the images that it is the data of. */
  function linearClaims(urn: string): Claim[] {
    return [urn, ...(images.get(urn) ?? [])]
      .flatMap((subject) => claims(subject, aff4('hash')))
      .filter((claim) => !isBlockMapHash(claim))
  }
  const rangesClaims = (urn: string) => claims(urn, pmem('rangesHash'))

  async function streamOf(urn: string): Promise<StreamCheck | undefined> {
    if (streams.has(urn)) return streams.get(urn)
    let check: StreamCheck | undefined
    try {
      check = openStreamCheck(context, objects.get(urn)!.volume, urn, linearClaims(urn), SUMS)
    } catch (error) {
      await report({ outcome: 'mismatched', property: 'stream', subject: urn, ...damageOf(error) })
    }
    streams.set(urn, check)
    return check
  }

  async function targetOf(urn: string): Promise<Target | Failure> {
    const damaged: Failure = { outcome: 'mismatched', detail: `${urn} is damaged` }
    if (objects.get(urn)?.form === 'image-stream') return (await streamOf(urn)) ?? damaged
    const absent = absence(volumes, urn)
    if (absent) return absent
    try {
      const stream = await openStream(volumes, urn)
      return {
        size: stream.size,
        async feed(offset, length, take) {
          for (let done = 0n; done < length; done += BigInt(BLOCK)) {
            const left = length - done
            take(await stream.read(offset + done, left < BigInt(BLOCK) ? Number(left) : BLOCK))
          }
          return true
        },
      }
    } catch (error) {
      return { outcome: 'mismatched', detail: damageOf(error).detail }
    }
  }

  async function checkMap(urn: string, volume: Volume): Promise<void> {
    const digests = await checkMapMembers(context, volume, urn, SUMS)
    const loaded = await checkEntries(context, volume, urn, targetOf)
    maps.set(urn, { volume, digests, targets: loaded?.targets ?? [] })
    const ofAll = linearClaims(urn)
    const ofRanges = rangesClaims(urn)
    if (ofAll.length + ofRanges.length === 0) return
    const linear = openSums(ofAll.map(({ algorithm }) => algorithm))
    const ranges = openSums(ofRanges.map(({ algorithm }) => algorithm))
    let failure: Failure | undefined = { outcome: 'mismatched', detail: 'its map is damaged' }
    const before = new Map<string, Buffer>()
    const beforeZeros = () => {
      for (const { algorithm } of ofRanges)
        if (algorithm !== undefined) before.set(algorithm, ranges.digest(algorithm)!)
    }
    if (loaded) failure = await readMap(context, loaded, { linear, ranges, beforeZeros }, targetOf)
    await judge(ofAll, (algorithm) => failure ?? linear.digest(algorithm)!, report)
    for (const claim of ofRanges) {
      const digest = (algorithm: string) => {
        // Zeros at the end may stand for nothing but the size of the map.
        const shorter = before.get(algorithm)
        return shorter?.toString('hex') === claim.value ? shorter : ranges.digest(algorithm)!
      }
      await judge([claim], (algorithm) => failure ?? digest(algorithm), report)
    }
    for (const target of loaded?.targets ?? []) {
      const stream = streams.get(target)
      if (stream?.passed) await finishStream(stream)
    }
  }

  const finished = new Set<StreamCheck>()
  async function finishStream(stream: StreamCheck): Promise<void> {
    if (finished.has(stream)) return
    finished.add(stream)
    const { urn } = stream
    await stream.finish()
    const damaged = (detail: string): Failure => ({ outcome: 'mismatched', detail })
    const linear = linearClaims(urn)
    await judge(linear, (algorithm) => stream.linear(algorithm) ?? damaged('some chunks are damaged'), report)
    const indexes = claims(urn, aff4('imageStreamIndexHash'))
    await judge(indexes, (algorithm) => sumOr(stream.index(algorithm), algorithm), report)
    for (const claim of claims(urn, aff4('blockHashesHash'))) {
      const kind = KINDS.find((one) => DIGESTS[one].node === claim.algorithm)
      await judge(
        [claim],
        (algorithm) => sumOr(kind && stream.blockHashSum(kind, algorithm), algorithm),
        report,
      )
    }
    for (const kind of KINDS) {
      const stated = claims(`${urn}/blockhash.${kind}`, aff4('hash'))
      await judge(stated, (algorithm) => sumOr(stream.blockHashSum(kind, algorithm), algorithm), report)
    }
  }

  /**
   * The block map hash of a map (AFF4 Standard v1.0a §6.2): of the block hashes that its own volume has. Before the
   * Standard their digests were by their own algorithms.
   */
  function blockMapHash(urn: string, algorithm: string): Buffer | Failure {
    const map = maps.get(urn)
    const parts = map?.digests(algorithm)
    if (!map || !parts) return sumOr(undefined, algorithm)
    const local = map.targets.flatMap((target) => {
      const stream = streams.get(target)
      return stream && objects.get(target)?.volume === map.volume ? [stream] : []
    })
    const sum = createHash(algorithm)
    for (const kind of KINDS)
      for (const stream of local.filter(({ blockHashes }) => blockHashes.includes(kind))) {
        const own = map.volume.dialect.generation === 'evimetry'
        const part = stream.blockHashSum(kind, own ? DIGESTS[kind].node : algorithm)
        if (!part) return sumOr(undefined, algorithm)
        sum.update(part)
      }
    for (const part of parts) sum.update(part)
    return sum.digest()
  }

  /** Of several maps, as a striped image has, those of all in the order of their URNs. */
  function imageHash(data: readonly string[], algorithm: string): Buffer | Failure {
    const sums: Buffer[] = []
    for (const urn of [...data].sort()) {
      const absent = [urn, ...(maps.get(urn)?.targets ?? [])].map((target) => absence(volumes, target))
      const failure = absent.find((one) => one !== undefined)
      if (failure) return failure
      const sum = blockMapHash(urn, algorithm)
      if (!Buffer.isBuffer(sum)) return sum
      sums.push(sum)
    }
    if (sums.length === 1) return sums[0]!
    return createHash(algorithm).update(Buffer.concat(sums)).digest()
  }

  async function checkSegment(urn: string, volume: Volume): Promise<void> {
    const member = volume.find(urn)!
    context.owned.add(member)
    const stated = [...linearClaims(urn), ...rangesClaims(urn)]
    const sums = openSums(stated.map(({ algorithm }) => algorithm))
    if (stated.length > 0) {
      const whole = await readThrough(context, volume, member, sums.update)
      const failure = { outcome: 'mismatched', detail: 'its member is damaged' } as const
      await judge(stated, (algorithm) => (whole ? sums.digest(algorithm)! : failure), report)
    }
    const size = volume.graph.integer(urn, aff4('size'))
    if (size !== undefined && size !== member.size)
      await report({
        outcome: 'mismatched',
        property: 'size',
        subject: urn,
        detail: `${member.size} bytes are there, the volume says ${size}`,
      })
  }

  /** Bytes that have no member of their own: parts of streams, and what stands in the metadata. */
  async function checkOther(urn: string): Promise<void> {
    const stated = linearClaims(urn)
    if (stated.length === 0) return
    const sums = openSums(stated.map(({ algorithm }) => algorithm))
    const target = await targetOf(urn)
    const whole = 'feed' in target && (await target.feed(0n, target.size, sums.update))
    const damaged: Failure = { outcome: 'mismatched', detail: 'its bytes are damaged' }
    const failure = 'feed' in target ? damaged : target
    await judge(stated, (algorithm) => (whole ? sums.digest(algorithm)! : failure), report)
  }

  for (const [urn, { form, volume }] of objects) if (form === 'map') await checkMap(urn, volume)
  for (const [urn, { form }] of objects) {
    const stream = form === 'image-stream' ? await streamOf(urn) : undefined
    if (stream) await finishStream(stream)
  }
  for (const [urn, { form, volume }] of objects)
    if (form === 'segment') await checkSegment(urn, volume)
    else if (form === 'literal') await checkOther(urn)
  for (const urn of maps.keys())
    await judge(claims(urn, aff4('blockMapHash')), (algorithm) => blockMapHash(urn, algorithm), report)
  for (const [urn, { form }] of objects) if (form === 'image') await checkImage(urn)

  async function checkImage(urn: string): Promise<void> {
    const data = [
      ...new Set(graphs.flatMap((graph) => graph.all(urn, aff4('dataStream'))).map(({ value }) => value)),
    ]
    const stated = claims(urn, aff4('hash')).filter(isBlockMapHash)
    await judge(stated, (algorithm) => imageHash(data, algorithm), report)
    const form = data.map((one) => objects.get(one)?.form).find((one) => one !== undefined)
    if (form === undefined || form === 'image') await checkOther(urn)
  }

  for (const urn of missingSegments(volumes, objects))
    await report({
      outcome: 'mismatched',
      property: 'segment',
      subject: urn,
      detail: 'its member is not there',
    })
  await checkReferences(context)
  for (const volume of volumes) {
    await tellOddities(context, volume)
    await checkMembers(context, volume)
  }
}

const sumOr = (sum: Buffer | undefined, algorithm: string): Buffer | Failure =>
  sum ??
  (SUMS.includes(algorithm)
    ? { outcome: 'mismatched', detail: 'what it covers is damaged or missing' }
    : { outcome: 'unchecked', detail: 'there is nothing of which it could be taken' })

/** Everything that has bytes; what several volumes describe is at home where its chunks are. */
function findObjects(volumes: readonly Volume[]): Map<string, Found> {
  const objects = new Map<string, Found>()
  for (const volume of volumes)
    for (const urn of volume.graph.subjects()) {
      const form = formOf(volume, urn)
      if (form && (!objects.has(urn) || volume.find(bevyUrn(urn, 0)))) objects.set(urn, { volume, form })
    }
  return objects
}

function imagesByData(volumes: readonly Volume[]): Map<string, string[]> {
  const images = new Map<string, string[]>()
  for (const { graph } of volumes)
    for (const { subject, predicate, object } of graph.statements) {
      if (predicate !== aff4('dataStream')) continue
      const known = images.get(object.value)
      if (!known) images.set(object.value, [subject])
      else if (!known.includes(subject)) known.push(subject)
    }
  return images
}

/** What is called a segment, holds bytes, and has no member. */
function missingSegments(volumes: readonly Volume[], objects: ReadonlyMap<string, Found>): string[] {
  return volumes.flatMap(({ graph }) =>
    [...graph.subjects()].filter(
      (urn) =>
        graph.isA(urn, aff4('ZipSegment')) && !objects.has(urn) && graph.integer(urn, aff4('size')) !== 0n,
    ),
  )
}

/** What a volume says that is no digest of ours to check, and what is wrong about itself. */
async function tellOddities(context: Context, volume: Volume): Promise<void> {
  const { report, judged } = context
  const { graph, urn, name } = volume
  const comment = context.structures.get(volume)?.comment.replace(/[\0\s]+$/, '')
  if (comment && comment !== urn)
    await report({
      outcome: 'mismatched',
      property: 'URN',
      subject: name,
      detail: `the zip comment says ${comment}, ${CONTAINER_DESCRIPTION} ${urn}`,
    })
  for (const warning of volume.warnings)
    await report({ outcome: 'note', property: 'volume', subject: name, detail: warning })
  for (const { subject, predicate, object } of graph.statements) {
    const property = predicate.replace(/^.*[#/]/, '')
    if (predicate === pmem('incomplete')) {
      await report({ outcome: 'unchecked', property, subject, detail: object.value })
      await tellHeld(context, subject)
    }
    if (predicate === aff4('acquisitionCompletionState') && object.value !== 'Completed Normally')
      await report({ outcome: 'note', property, subject, detail: object.value })
    if (object.termType !== 'Literal' || judged.has(`${subject} ${predicate}`)) continue
    const datatype = object.datatype.value.replace(/^.*[#/]/, '')
    const about = { property: `${property} ${datatype}`, subject }
    if (UNDOCUMENTED.includes(predicate))
      await report({ ...about, outcome: 'uncheckable', detail: 'nobody has described how it is made' })
    else if (isDigestType(datatype))
      await report({ ...about, outcome: 'unchecked', detail: 'nothing tells of what it is' })
  }
}

/** Which ranges of an incomplete stream the volume holds. */
async function tellHeld({ volumes, report }: Context, urn: string): Promise<void> {
  let ranges: { start: bigint; length: bigint }[] = []
  try {
    const stream = await openStream(volumes, urn)
    ranges = [...stream.extents()].filter(({ content }) => content !== 'unknown')
  } catch (error) {
    // The volume itself has no bytes, and damage was told.
    if (!(error instanceof FormatError)) throw error
    return
  }
  const runs = mergeRuns(ranges).map(
    ({ start, length }) => `0x${start.toString(16)}-0x${(start + length).toString(16)}`,
  )
  const more = runs.length > MOST_NAMED ? ` and ${runs.length - MOST_NAMED} more ranges` : ''
  const detail = runs.length === 0 ? 'nothing' : `${runs.slice(0, MOST_NAMED).join(' ')}${more}`
  await report({ outcome: 'note', property: 'holds', subject: urn, detail })
}

/** Compares the CRC of every member that was not read before, and tells which belong to nothing. */
async function checkMembers(context: Context, volume: Volume): Promise<void> {
  const { report, compared, owned } = context
  const own = [CONTAINER_DESCRIPTION, VERSION_TXT, INFORMATION_TURTLE]
  let different = 0
  let strangers = 0
  for (const member of volume.members.values()) {
    if (member.crc !== undefined && !compared.has(member)) await readThrough(context, volume, member)
    if (compared.get(member) === 'different') different++
    if (owned.has(member) || own.includes(member.name) || isPartOfSomething(volume, member.name)) continue
    if (++strangers <= MOST_NAMED)
      await report({
        outcome: 'note',
        property: 'unreferenced',
        subject: `${volume.name}: ${member.name}`,
        detail: 'belongs to no object that the volume describes',
      })
  }
  if (strangers > MOST_NAMED)
    await report({
      outcome: 'note',
      property: 'unreferenced',
      subject: volume.name,
      detail: `${strangers} members belong to no object that the volume describes`,
    })
  const count = volume.members.size
  if (different === 0 && context.structures.has(volume))
    await report({ outcome: 'matched', property: 'CRC', subject: volume.name, detail: `of ${count} members` })
}

/** Whether a member stands below an object that the volume describes, or the name of one. */
function isPartOfSomething({ graph, urn }: Volume, name: string): boolean {
  if (name.startsWith(`${INFORMATION_TURTLE}/`)) return true
  const decoded = decodeName(name)
  const full = decoded.startsWith('aff4:') ? decoded : `${urn}/${decoded}`
  for (let at = full.lastIndexOf('/'); at > 'aff4://'.length; at = full.lastIndexOf('/', at - 1)) {
    const object = full.slice(0, at)
    if (object !== urn && [...graph.predicates(object)].length > 0) return true
  }
  return false
}
