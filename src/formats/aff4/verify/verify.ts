import { createHash } from 'node:crypto'
import { bevyUrn } from '../image-stream.js'
import { aff4, DIGESTS, type DigestName, pmem } from '../lexicon.js'
import { formOf, openStream, type StreamEntry } from '../reader.js'
import type { Volume } from '../volume.js'
import { BLOCK, type Context, damageOf, readThrough, taken } from './context.js'
import { type Claim, claimsIn, type Failure, isBlockMapHash, judge, openSums } from './digest-claims.js'
import type { Report, Tick } from './finding.js'
import { checkMembers, tellOddities } from './leftovers.js'
import { checkEntries, checkMapMembers, type MapDigests, readMap, type Target } from './map-check.js'
import { absence, checkReferences } from './references.js'
import { openStreamCheck, type StreamCheck } from './stream-check.js'
import type { Structure } from './zip-structure.js'

/** Of members of the volume itself: AFF4 Standard v1.0a §6.2, and the one before it. */
const SUMS = ['sha512', 'sha256']
const KINDS = Object.keys(DIGESTS) as DigestName[]

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
          try {
            for (let done = 0n; done < length; done += BigInt(BLOCK)) {
              const left = length - done
              const bytes = await stream.read(offset + done, left < BigInt(BLOCK) ? Number(left) : BLOCK)
              await tick(bytes.length)
              take(bytes)
            }
            return true
          } catch (error) {
            damageOf(error)
            return false
          }
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
        // Zeros at the end may stand for nothing but the size of the map, or continue what does.
        const shorter = before.get(algorithm)
        const whole = ranges.digest(algorithm)!
        const hex = [shorter, whole].map((sum) => sum?.toString('hex'))
        if (!shorter || hex.includes(claim.value)) return shorter && hex[0] === claim.value ? shorter : whole
        return { outcome: 'unchecked', detail: 'nothing tells how many of the last zeros it covers' } as const
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
      const sum = kind && stream.blockHashSum(kind, DIGESTS[kind].node)
      await judgeEarly(objects.get(urn)!.volume, claim, [sumOr(sum, claim.algorithm ?? '')])
    }
    for (const kind of KINDS) {
      const stated = claims(`${urn}/blockhash.${kind}`, aff4('hash'))
      await judge(stated, (algorithm) => sumOr(stream.blockHashSum(kind, algorithm), algorithm), report)
    }
  }

  /**
   * A digest by a rule of before the Standard. Volumes of the time between have it, too, and nobody has described
   * whether by the same rule.
   */
  async function judgeEarly(
    volume: Volume,
    claim: Claim,
    sums: readonly (Buffer | Failure)[],
  ): Promise<void> {
    const right = sums.find((sum) => Buffer.isBuffer(sum) && sum.toString('hex') === claim.value)
    if (right || isEarly(volume)) return judge([claim], () => right ?? sums[0]!, report)
    await report({
      outcome: 'uncheckable',
      property: `${claim.property} ${claim.datatype}`,
      subject: claim.subject,
      detail: 'nobody has described how it was made between the time before the Standard and the Standard',
    })
  }

  /**
   * The block map hash of a map (AFF4 Standard v1.0a §6.2): of the block hashes that its own volume has.
   * @param early the digests of the block hashes are by their own algorithms, as before the Standard
   */
  function blockMapHash(urn: string, algorithm: string, early: boolean): Buffer | Failure {
    const map = maps.get(urn)
    const parts = SUMS.includes(algorithm) ? map?.digests(algorithm) : undefined
    if (!map || !parts) return sumOr(undefined, algorithm)
    const local = map.targets.flatMap((target) => {
      const stream = streams.get(target)
      return stream && objects.get(target)?.volume === map.volume ? [stream] : []
    })
    const sum = createHash(algorithm)
    for (const kind of KINDS)
      for (const stream of local.filter(({ blockHashes }) => blockHashes.includes(kind))) {
        const part = stream.blockHashSum(kind, early ? DIGESTS[kind].node : algorithm)
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
      const sum = blockMapHash(urn, algorithm, isEarly(maps.get(urn)?.volume))
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
  for (const [urn, { volume }] of maps) {
    const stated = claims(urn, aff4('blockMapHash'))
    await judge(stated, (algorithm) => blockMapHash(urn, algorithm, isEarly(volume)), report)
    for (const claim of claims(urn, aff4('blockHashesHash'))) {
      const sums = [true, false].map((early) => blockMapHash(urn, claim.algorithm ?? '', early))
      await judgeEarly(volume, claim, sums)
    }
  }
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

const isEarly = (volume: Volume | undefined) => volume?.dialect.generation === 'evimetry'

const sumOr = (sum: Buffer | undefined, algorithm: string): Buffer | Failure =>
  sum ??
  (SUMS.includes(algorithm)
    ? { outcome: 'mismatched', detail: 'what it covers is damaged or missing' }
    : { outcome: 'unchecked', detail: 'there is nothing of which it could be taken' })

/**
 * Everything that has bytes. What several volumes describe is at home where its size is known, which of a stream that
 * goes on from volume to volume is the last one, and its chunks are.
 */
function findObjects(volumes: readonly Volume[]): Map<string, Found> {
  const objects = new Map<string, Found>()
  for (const volume of volumes)
    for (const urn of volume.graph.subjects()) {
      const form = formOf(volume, urn)
      if (!form) continue
      const known = objects.get(urn)
      const [size, before] = [volume, known?.volume].map((one) => one?.graph.integer(urn, aff4('size')) ?? 0n)
      const better = size! > before! || (size === before && volume.find(bevyUrn(urn, 0)))
      if (!known || better) objects.set(urn, { volume, form })
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
