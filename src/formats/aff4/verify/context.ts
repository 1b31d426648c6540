import { crc32 } from '../../../codecs/crc32.js'
import type { Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import type { Container, Member } from '../container.js'
import type { Volume } from '../volume.js'
import type { ChunkThreads } from './chunk-threads.js'
import type { Claim } from './digest-claims.js'
import type { Report, Tick } from './finding.js'
import type { Structure } from './zip-structure.js'

/** Bytes that are read at once. */
export const BLOCK = 1 << 20

/** What reading the members of volumes takes. */
export interface Reading {
  /** Of the volumes that are ZIP files. */
  readonly structures: ReadonlyMap<Holder, Structure>
  readonly report: Report
  readonly tick: Tick
  /** Members whose CRC was compared, and how that ended. */
  readonly compared: Map<Member, 'same' | 'different'>
}

/** A volume, or what is left of one that can't be opened. */
export type Holder = Pick<Container, 'name' | 'open' | 'read' | 'members'>

/** What the checks of a set of volumes share. */
export interface Context extends Reading {
  readonly volumes: readonly Volume[]
  /** Members that belong to an object. */
  readonly owned: Set<Member>
  /** Properties that were judged: subject and predicate. */
  readonly judged: Set<string>
  readonly threads: ChunkThreads
}

/** @returns the claims, which count as judged from now on */
export function taken(context: Context, claims: readonly Claim[]): readonly Claim[] {
  for (const { subject, predicate } of claims) context.judged.add(`${subject} ${predicate}`)
  return claims
}

/** What is wrong, and where, as a finding has it. */
export function damageOf(error: unknown): { detail: string; offset?: bigint } {
  if (!(error instanceof FormatError)) throw error
  const detail = error.message.replace(/ \(at 0x[0-9a-f]+\)$/, '')
  return error.offset === undefined ? { detail } : { detail, offset: error.offset }
}

/** The name of a member in its volume, as findings have it. */
export const subjectOf = (volume: Holder, member: Member): string => `${volume.name}: ${member.name}`

/** Tells that the CRC of a member was compared. */
export async function tellCrc(
  context: Reading,
  volume: Holder,
  member: Member,
  crc: number,
): Promise<boolean> {
  if (member.crc === undefined || context.compared.has(member)) return true
  const same = crc === member.crc
  context.compared.set(member, same ? 'same' : 'different')
  if (!same)
    await context.report({
      outcome: 'mismatched',
      property: 'CRC',
      subject: subjectOf(volume, member),
      detail: `is ${hex8(crc)}, the directory says ${hex8(member.crc)}`,
      offset: context.structures.get(volume)?.places.get(member.name)?.dataStart ?? member.headerOffset,
    })
  return same
}

const hex8 = (crc: number) => crc.toString(16).padStart(8, '0')

/**
 * Reads a member from its begin to its end, and compares its CRC.
 * @param take is given its bytes, piece by piece
 * @returns whether it is as it was written
 */
export async function readThrough(
  context: Reading,
  volume: Holder,
  member: Member,
  take: (bytes: Bytes) => void = () => {},
): Promise<boolean> {
  try {
    const source = await volume.open(member)
    let crc = 0
    for (let at = 0n; at < member.size; at += BigInt(BLOCK)) {
      const bytes = await source.read(at, BLOCK)
      crc = crc32(bytes, crc)
      await context.tick(bytes.length)
      take(bytes)
    }
    await source.close()
    return await tellCrc(context, volume, member, crc)
  } catch (error) {
    await tellDamage(context, volume, member, error)
    return false
  }
}

/**
 * The whole content of a small member, its CRC compared.
 * @param limit a larger one is damage
 * @returns undefined when it is not as it was written
 */
export async function readWhole(
  context: Reading,
  volume: Holder,
  member: Member,
  limit: bigint,
): Promise<Bytes | undefined> {
  try {
    const bytes = await volume.read(member, limit)
    await context.tick(bytes.length)
    if (member.crc !== undefined && !context.compared.has(member)) context.compared.set(member, 'same')
    return bytes
  } catch (error) {
    await tellDamage(context, volume, member, error)
    return undefined
  }
}

async function tellDamage(context: Reading, volume: Holder, member: Member, error: unknown): Promise<void> {
  const damage = damageOf(error)
  if (context.compared.get(member) === 'different') return
  context.compared.set(member, 'different')
  await context.report({
    outcome: 'mismatched',
    property: 'member',
    subject: subjectOf(volume, member),
    offset: member.headerOffset,
    ...damage,
  })
}
