import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { listStreams, openStream } from '../../src/formats/aff4/reader.js'
import { recoverVolume } from '../../src/formats/aff4/recover/recover.js'
import type { Finding } from '../../src/formats/aff4/verify/finding.js'
import { openSource } from '../../src/formats/aff4/verify/open.js'
import { verifyVolumes } from '../../src/formats/aff4/verify/verify.js'
import { openVolume, type Volume } from '../../src/formats/aff4/volume.js'
import type { ByteSource } from '../../src/formats/byte-source.js'
import { bufferSink } from '../formats/buffer-sink.js'
import { bufferSource } from '../formats/buffer-source.js'
import { inTime, MOST_READ, readPieces, unlessDamaged } from './limits.js'
import { createRandom, mutate } from './mutate.js'

/**
 * Damages a small volume whose evidence is hashed, and has it checked, listed, read and recovered: each refuses it or gives
 * a verdict, and what is found sound holds the evidence as it was.
 * @param mostTime processor time that one may take, in milliseconds; not looked at unless given
 * @throws what went wrong; the message says how to do it again
 */
export async function fuzzVolume(
  name: string,
  pristine: Buffer,
  count: number,
  seed: number,
  mostTime?: number,
): Promise<void> {
  const wanted = await evidenceIn([await openVolume(bufferSource(pristine))])
  const members = storedMembers(pristine)
  const sound = await checkVolume(bufferSource(pristine))
  if (!sound) throw new Error(`${name}: not sound before it was damaged`)
  for (let round = 0; round < count; round++) {
    const number = seed + round * 7919
    const random = createRandom(number)
    const isInside = random(2) === 0
    const mutant = isInside
      ? changeMember(pristine, members[random(members.length)]!, random)
      : mutate(pristine, random)
    await inTime(`${name} with seed ${number}`, mostTime, () => useVolume(mutant, wanted))
  }
}

async function useVolume(mutant: Buffer, wanted: readonly string[]): Promise<void> {
  const source = bufferSource(mutant)
  const sound = await checkVolume(source)
  const held = await unlessDamaged(async () => evidenceIn([await openVolume(source)]))
  if (sound && (!held || wanted.some((digest) => !held.includes(digest))))
    throw new Error('found sound, and the evidence is not what it was')
  await unlessDamaged(() => recoverVolume(source, bufferSink(MOST_READ), { tool: 'fuzz' }))
  if (source.largestRead > MOST_READ) throw new Error(`a read of ${source.largestRead} bytes`)
}

/** Whether aff4-verify would exit 0. */
async function checkVolume(source: ByteSource): Promise<boolean> {
  const findings: Finding[] = []
  const opened = { volumes: [] as Volume[], structures: new Map() }
  const report = async (finding: Finding) => void findings.push(finding)
  const checked = await unlessDamaged(async () => {
    await openSource(opened, source, undefined, report, () => undefined)
    if (opened.volumes.length > 0)
      await verifyVolumes(opened.volumes, opened.structures, report, () => undefined)
    return true
  })
  return (
    checked === true &&
    opened.volumes.length > 0 &&
    findings.some(({ outcome, property }) => outcome === 'matched' && property.startsWith('hash')) &&
    findings.every(({ outcome }) => outcome !== 'mismatched' && outcome !== 'unchecked')
  )
}

/** The digests of the streams that are no other's data. */
async function evidenceIn(volumes: readonly Volume[]): Promise<string[]> {
  const digests: string[] = []
  for (const { urn, backing } of await listStreams(volumes)) {
    if (backing) continue
    const stream = await unlessDamaged(() => openStream(volumes, urn))
    if (!stream) continue
    const digest = createHash('sha256')
    const pieces = readPieces(stream.runs, (address, length) => stream.read(address, length))
    for await (const { address, bytes } of pieces) digest.update(`${address} `).update(bytes ?? 'damaged')
    digests.push(digest.digest('hex'))
  }
  return digests
}

/** A member whose bytes stand in the file as they are: where its headers and its bytes begin. */
export interface StoredMember {
  name: string
  local: number
  entry: number
  data: number
  size: number
}

/** By the directory, in which all offsets are short. */
export function storedMembers(zip: Buffer): StoredMember[] {
  const members: StoredMember[] = []
  for (let at = zip.indexOf('PK\x01\x02'); at >= 0; at = zip.indexOf('PK\x01\x02', at + 4)) {
    const local = zip.readUInt32LE(at + 42)
    if (zip.readUInt16LE(at + 10) !== 0 || local === 0xffffffff) continue
    const data = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const name = zip.toString('latin1', at + 46, at + 46 + zip.readUInt16LE(at + 28))
    members.push({ name, local, entry: at, data, size: zip.readUInt32LE(at + 24) })
  }
  return members.filter(({ size }) => size > 0)
}

/** A copy in which one member holds these bytes, as many, with the CRC that they have: readers come further. */
export function rewriteMember(
  pristine: Buffer,
  { local, entry, data }: StoredMember,
  content: Buffer,
): Buffer {
  const mutant = Buffer.from(pristine)
  content.copy(mutant, data)
  mutant.writeUInt32LE(crc32(content), local + 14)
  mutant.writeUInt32LE(crc32(content), entry + 16)
  return mutant
}

function changeMember(pristine: Buffer, member: StoredMember, random: (below: number) => number): Buffer {
  const content = pristine.subarray(member.data, member.data + member.size)
  return rewriteMember(pristine, member, mutate(content, random))
}
