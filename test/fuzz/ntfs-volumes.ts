import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { ByteSource } from '../../src/formats/byte-source.js'
import { FormatError } from '../../src/formats/format-error.js'
import type { Finding } from '../../src/formats/ntfs/finding.js'
import { openNtfs } from '../../src/formats/ntfs/open.js'
import type { NtfsVolume } from '../../src/formats/ntfs/volume.js'
import { bufferSource } from '../formats/buffer-source.js'
import type { Image } from '../formats/ntfs/images/image.js'
import { createRandom, mutate } from './mutate.js'
import { changePart, isSound, type Part, partsOf } from './ntfs-volume-parts.js'
import { type Attempt, type Digests, useVolume } from './ntfs-volume-uses.js'

const MOST_READ = 64 << 20
const MOST_FINDINGS = 200_000
const PATHS_TRIED = 8

/**
 * Damages the metadata of a volume, and does with it what the tools do. What the damage does not touch must read as
 * before.
 * @param mostTime processor time that one operation may take, in milliseconds; not looked at unless given
 * @throws what a reader threw that it must not, took too long for, or gave wrong; the message says how to do it again
 */
export async function fuzzNtfsVolumes(
  { file, manifest }: Image,
  count: number,
  seed: number,
  mostTime?: number,
): Promise<void> {
  const pristine = readFileSync(file)
  const paths = manifest.streams.map(({ path, stream }) => (stream ? `${path}:${stream}` : path))
  const sound = await openNtfs(bufferSource(pristine), {}, () => {})
  const parts = await partsOf(sound)
  const places = await placesOf(sound)
  const known = await useVolume(sound, [], createAttempt(undefined))
  const bytes = Buffer.from(pristine)
  for (let round = 0; round < count; round++) {
    const number = seed + round * 7919
    const random = createRandom(number)
    const damaged = damage(bytes, parts, random)
    try {
      const tried = Array.from({ length: PATHS_TRIED }, () => paths[random(paths.length)]!)
      await checkVolume(bytes, tried, { known, places, damaged, mostTime })
    } catch (error) {
      throw new Error(`with seed ${number}`, { cause: error })
    }
    for (const { at, size } of damaged) pristine.copy(bytes, at, at, at + size)
  }
}

interface Expected {
  readonly known: Digests
  /** Of each file: what it is made of. */
  readonly places: ReadonlyMap<number, readonly Part[]>
  readonly damaged: readonly Part[]
  readonly mostTime: number | undefined
}

/** Damages one to three parts, most of them so that fixups hold. */
function damage(bytes: Buffer, parts: readonly Part[], random: (below: number) => number): Part[] {
  const damaged: Part[] = []
  for (let left = 1 + random(3); left > 0; left--) {
    // The first records are those that all others depend on.
    const part = parts[random(3) === 0 ? random(Math.min(40, parts.length)) : random(parts.length)]!
    const view = bytes.subarray(part.at, part.at + part.size)
    const change = (plain: Buffer) => {
      const start = random(2) === 0 ? 0 : random(Math.ceil(plain.length / 8)) * 8
      const some = plain.subarray(start, start + (64 << random(6)))
      mutate(some, random).copy(some)
    }
    if (part.protected && isSound(view) && random(8) > 0) changePart(view, change)
    else change(view)
    damaged.push(part)
  }
  return damaged
}

/** Where the records and the clusters of each file lie. */
async function placesOf(volume: NtfsVolume): Promise<Map<number, Part[]>> {
  const { clusterSize, recordSize } = volume.geometry
  const places = new Map<number, Part[]>()
  const inMft = (number: number): Part => {
    const offset = number * recordSize
    const run = volume.mft.attribute.runs.find(({ vcn, length }) => offset < (vcn + length) * clusterSize)!
    return { at: (run.lcn! - run.vcn) * clusterSize + offset, size: recordSize, protected: true }
  }
  for (let number = 0; number < volume.recordCount; number++) {
    const file = await volume.file(number).catch(() => undefined)
    if (!file) continue
    const found = [inMft(number), ...file.extensions.map((extension) => inMft(extension.number))]
    for (const { runs } of file.attributes)
      for (const { lcn, length } of runs)
        if (lcn !== undefined)
          found.push({ at: lcn * clusterSize, size: length * clusterSize, protected: false })
    places.set(number, found)
  }
  return places
}

const overlaps = (a: Part, b: Part) => a.at < b.at + b.size && b.at < a.at + a.size

async function checkVolume(
  bytes: Buffer,
  paths: readonly string[],
  { known, places, damaged, mostTime }: Expected,
): Promise<void> {
  const findings: Finding[] = []
  const report = (finding: Finding) => {
    findings.push(finding)
    assert.ok(findings.length < MOST_FINDINGS, 'findings without end')
  }
  const attempt = createAttempt(mostTime)
  const volume = await attempt('open', () => openNtfs(measured(bytes), {}, report))
  const wholesale = damaged.some((part) => part.at === 0 || overlaps(part, places.get(0)![0]!))
  if (!volume) {
    assert.ok(wholesale, 'the volume is refused')
    return
  }
  const digests = await useVolume(volume, paths, attempt)
  if (wholesale) return
  for (const [key, digest] of known) {
    const file = Number.parseInt(key, 10)
    // $MFT, $BadClus and the like hold what others are made of.
    if (places.get(file)!.some((place) => damaged.some((part) => overlaps(part, place)))) continue
    assert.equal(digests.get(key), digest, `${key} is not what it was`)
  }
}

const measured = (bytes: Buffer): ByteSource => {
  const source = bufferSource(bytes)
  return {
    ...source,
    async read(offset, length, into) {
      assert.ok(offset >= 0n && length <= MOST_READ, `a read of ${length} bytes at ${offset}`)
      return source.read(offset, length, into)
    },
  }
}

function createAttempt(mostTime = Number.POSITIVE_INFINITY): Attempt {
  return async (what, action) => {
    const start = process.cpuUsage()
    const outcome = await action().catch((error: unknown) => {
      if (error instanceof FormatError) return undefined
      throw new Error(what, { cause: error })
    })
    const { user, system } = process.cpuUsage(start)
    assert.ok((user + system) / 1000 <= mostTime, `${what} took ${(user + system) / 1000} ms`)
    return outcome
  }
}
