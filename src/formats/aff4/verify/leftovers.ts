import { mergeRuns } from '../../address-space.js'
import { FormatError } from '../../format-error.js'
import type { Member } from '../container.js'
import { bevyUrn } from '../image-stream.js'
import { aff4, pmem } from '../lexicon.js'
import { CONTAINER_DESCRIPTION, decodeName, INFORMATION_TURTLE, VERSION_TXT } from '../names.js'
import { openStream } from '../reader.js'
import { isByPyaff4, type Volume } from '../volume.js'
import { type Context, readThrough } from './context.js'
import { isDigestType } from './digest-claims.js'
import type { Report } from './finding.js'

/** Members and ranges that are named, before the others are only counted. */
const MOST_NAMED = 100

/** Properties whose making nobody has described, and no reader has found out. */
const UNDOCUMENTED = ['imageStreamHash', 'linearBlockHash'].map(aff4)

/** What is shown of a comment: it may have 64 KiB. */
const LONGEST_COMMENT = 100

/** What a volume says that is no digest of ours to check, and what is wrong about itself. */
export async function tellOddities(context: Context, volume: Volume): Promise<void> {
  const { report, judged } = context
  const { graph, urn, name } = volume
  const structure = context.structures.get(volume)
  const comment = structure?.comment.replace(/[\0\s]+$/, '')
  if (structure && comment && comment !== urn)
    await report({
      outcome: 'mismatched',
      property: 'URN',
      subject: name,
      detail: `the zip comment says ${comment.slice(0, LONGEST_COMMENT)}, ${CONTAINER_DESCRIPTION} ${urn}`,
      offset: structure.commentStart,
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
    ranges = [...stream.extents()].filter(({ content }) => content !== 'unknown' && content !== 'unreadable')
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
export async function checkMembers(context: Context, volume: Volume): Promise<void> {
  const { report, compared, owned } = context
  const own = [CONTAINER_DESCRIPTION, VERSION_TXT, INFORMATION_TURTLE]
  let different = 0
  let strangers = 0
  const rewritten = rewrittenBevies(volume)
  /** @see rewrittenBevies */
  const lenient: Report = (finding) =>
    report(
      finding.property === 'CRC'
        ? { ...finding, outcome: 'uncheckable', detail: 'pyaff4 writes parts of it anew and keeps its CRC' }
        : finding,
    )
  for (const member of volume.members.values()) {
    if (member.crc !== undefined && !compared.has(member))
      await readThrough(rewritten.has(member) ? { ...context, report: lenient } : context, volume, member)
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

/**
 * The bevies of an encrypted stream by pyaff4 that goes back to those before the last one: it writes their units anew
 * and leaves their CRC as it was. What is inside says itself whether it is whole.
 */
function rewrittenBevies(volume: Volume): ReadonlySet<Member> {
  const bevies = new Set<Member>()
  if (!isByPyaff4(volume.version)) return bevies
  for (const stream of volume.graph.subjects()) {
    if (!volume.graph.isA(stream, aff4('EncryptedStream')) || !volume.find(bevyUrn(stream, 1))) continue
    let number = 0
    for (let bevy = volume.find(bevyUrn(stream, 0)); bevy; bevy = volume.find(bevyUrn(stream, ++number)))
      bevies.add(bevy)
  }
  return bevies
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
