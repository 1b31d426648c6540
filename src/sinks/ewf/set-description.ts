import { randomBytes } from 'node:crypto'
import { VERSION } from '../../cli/version.js'
import type { HeaderValues } from '../../formats/ewf/header-text.js'
import { encodeNotes, type NotedFacts } from '../../formats/ewf/notes.js'
import { MEDIA_FLAG, MEDIA_TYPE } from '../../formats/ewf/structs.js'
import type { SetDescription } from '../../formats/ewf/writer/set.js'
import {
  FACT_NAMES,
  FACTS,
  type FactName,
  type Facts,
  factEntries,
  formatFact,
} from '../../formats/image/facts.js'
import type { Evidence } from '../memory-image.js'
import type { Origin } from '../stream-facts.js'

/** What the user wants of a set. */
export interface SetSettings {
  /** Of zlib: 0 to 9. */
  readonly level: number
  readonly segmentSize: number
  /** In the place of what the stream tells. */
  readonly caseData: Pick<Facts, 'caseNumber' | 'evidenceNumber' | 'examiner' | 'description' | 'caseNotes'>
  /** The same input always gives the same bytes. */
  readonly deterministic: boolean
}

/** The facts that headers and the volume have a place for. */
const HEADER_FACTS: readonly FactName[] = [
  'acquisitionTime',
  'acquisitionTool',
  'acquisitionSystem',
  'caseNumber',
  'evidenceNumber',
  'examiner',
  'description',
  'caseNotes',
  'sectorSize',
  'diskModel',
  'diskSerial',
]
/** Sources that send what somebody has acquired before. */
const CONVERTERS = /^(image|aff4)-cat$/
const SECTOR_SIZES = [512n, 1024n, 2048n, 4096n]
const SECOND = 1_000_000_000n
/** Of a fact in notes: longer ones are for programs. */
const MOST_CHARACTERS = 200
/** Of what makes a set incomplete. */
const MOST_REASON = 200

/** Whether the stream goes into the set as an ELF core. */
export const isMemoryMap = ({ stream }: Evidence): boolean =>
  stream.kind === 'map' && stream.category?.startsWith('memory:') === true

/** The facts that a set of this stream holds: a core has a place for all. */
export function factsHeld(evidence: Evidence, { caseData }: SetSettings): readonly FactName[] {
  const notes = caseData.caseNotes ?? evidence.facts.caseNotes
  return isMemoryMap(evidence) || notes === undefined ? FACT_NAMES : HEADER_FACTS
}

/** @param size bytes of media that will come, 0 where that is not known */
export function describeSet(evidence: Evidence, settings: SetSettings, size: bigint): SetDescription {
  const { stream, facts, origin } = evidence
  const { level, segmentSize, deterministic } = settings
  const known = { ...facts, ...settings.caseData }
  const converted = isConverted(origin)
  const memory = stream.category?.startsWith('memory:')
  const part = stream.category === 'disk:logical' || stream.category === 'disk:partition'
  const physical = memory || part ? 0 : MEDIA_FLAG.physical
  const sectorSize = SECTOR_SIZES.find((sector) => sector === facts.sectorSize) ?? SECTOR_SIZES[0]!
  return {
    mediaType: memory ? MEDIA_TYPE.memory : MEDIA_TYPE.fixed,
    mediaFlags: MEDIA_FLAG.image | physical,
    sectorSize: Number(sectorSize),
    level,
    segmentSize,
    setId: deterministic ? Buffer.alloc(16) : randomBytes(16),
    values: valuesOf(known, converted),
    time: timeOf(facts, deterministic || converted ? undefined : origin.started),
    notes: known.caseNotes ?? (isMemoryMap(evidence) ? '' : inWords(facts)),
    size,
  }
}

/** Who converts an image did not acquire it, and not then. */
function isConverted({ programs }: Origin): boolean {
  const [first] = Array.isArray(programs) ? programs : []
  return CONVERTERS.test(String(first?.name))
}

function valuesOf(facts: Facts, converted: boolean): HeaderValues {
  const { caseNumber: c, evidenceNumber: n, description: a, examiner: e } = facts
  const { diskModel: md, diskSerial: sn, acquisitionSystem: ov } = facts
  const av = facts.acquisitionTool ?? (converted ? undefined : `pmem ${VERSION}`)
  const values = { c, n, a, e, md, sn, av, ov, p: '0' }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function timeOf({ acquisitionTime }: Facts, started: unknown): number | undefined {
  if (acquisitionTime !== undefined) return Number(acquisitionTime / SECOND)
  const time = typeof started === 'string' ? Date.parse(started) : Number.NaN
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000)
}

/** `host name: web1; disk make: ATA`. */
const inWords = (facts: Facts): string =>
  factEntries(facts)
    .filter(([name, value]) => !HEADER_FACTS.includes(name) && !(value instanceof Uint8Array))
    .map(([name, value]) => [FACTS[name].title, formatFact(name, value)] as const)
    .filter(([, text]) => text.length <= MOST_CHARACTERS)
    .map(([title, text]) => `${title}: ${text}`)
    .join('; ')

/** What notes say in the end: what is wrong first, what programs read last. */
export function concludeNotes({ notes }: SetDescription, noted: NotedFacts, reason?: string): string {
  if (reason === undefined) return encodeNotes(notes, noted)
  return encodeNotes(`INCOMPLETE (${reason.slice(0, MOST_REASON)})${notes === '' ? '' : ' '}${notes}`, noted)
}
