import { inflate } from '../../codecs/zlib-codec.js'
import type { Facts, MutableFacts } from '../image/facts.js'
import { decodeHeaderText, type HeaderValues, parseHeaderTime } from './header-text.js'
import { decodeNotes, type NotedFacts } from './notes.js'
import { type PlacedSection, readBody, type Segment } from './sections.js'

/** Headers are a few lines; descriptions of a MiB have been seen. */
const MOST_STORED = 1 << 20
const MOST_TEXT = 4 << 20
const SECOND = 1_000_000_000n

/** Whose the evidence is, and who took it. */
export interface CaseFacts {
  readonly facts: Facts
  /** What pmem has noted. */
  readonly noted: NotedFacts
  readonly remarks: readonly string[]
}

/** What the headers of a set tell. Where several do, `header2` counts: it is Unicode, and its times are UTC. */
export async function readCaseFacts(segments: readonly Segment[]): Promise<CaseFacts> {
  const remarks: string[] = []
  const found: Record<'header' | 'header2', HeaderValues | undefined> = {
    header: undefined,
    header2: undefined,
  }
  for (const segment of segments)
    for (const section of segment.sections) {
      const { type } = section
      if ((type !== 'header' && type !== 'header2') || found[type]) continue
      found[type] = await readHeader(segment, section)
      if (!found[type])
        remarks.push(`${segment.source.name}: the ${type} at 0x${section.offset.toString(16)} is damaged`)
    }
  if (!found.header && !found.header2) remarks.push('it has no header: nothing is known about the case')
  const { facts, noted, remarks: odd } = factsOf({ ...found.header, ...found.header2 })
  return { facts, noted, remarks: [...remarks, ...odd] }
}

async function readHeader(segment: Segment, section: PlacedSection): Promise<HeaderValues | undefined> {
  try {
    return decodeHeaderText(inflate('zlib', await readBody(segment, section, MOST_STORED), MOST_TEXT))
  } catch {
    return undefined
  }
}

/** @param values of a `header` or `header2` */
export function factsOf(values: HeaderValues): CaseFacts {
  const remarks: string[] = []
  const facts: MutableFacts = {}
  const { notes, facts: noted } = decodeNotes(values.t ?? '')
  const texts = {
    caseNumber: values.c,
    evidenceNumber: values.n,
    examiner: values.e,
    description: values.a,
    caseNotes: notes,
    diskModel: values.md,
    diskSerial: values.sn,
    acquisitionTool: values.av,
    acquisitionSystem: values.ov,
  }
  for (const [name, text] of Object.entries(texts)) if (text) Object.assign(facts, { [name]: text })

  const acquired = parseHeaderTime(values.m ?? '')
  if (acquired) {
    facts.acquisitionTime = BigInt(acquired.seconds) * SECOND
    if (acquired.local)
      remarks.push('the time of acquisition is that of a clock whose time zone is not noted, given as UTC')
  }
  if (values.u !== undefined && values.u !== values.m)
    remarks.push(`the clock of the machine that acquired it said ${values.u}`)
  if (values.p !== undefined && values.p !== '0')
    remarks.push('a password is set, which protects nothing: only some programs ask for it')
  if (values.l !== undefined) remarks.push(`the label of the device is ${values.l}`)
  if (values.pid !== undefined) remarks.push(`it is the memory of process ${values.pid}`)
  return { facts, noted, remarks }
}
