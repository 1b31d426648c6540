import { type CaseFacts, factsOf } from '../ewf/case-facts.js'
import type { HeaderName, HeaderValues } from '../ewf/header-text.js'
import { MEDIA_FLAG, MEDIA_TYPE } from '../ewf/structs.js'
import type { Medium } from '../ewf/volume.js'
import { FormatError } from '../format-error.js'
import { decodeObjectText } from './object-text.js'
import { type Ex01Segment, hex, type PlacedSection, readBody } from './sections.js'

const MOST_STORED = 1 << 20

/** Tags of both texts, and what the same is called in a header of version 1. */
const HEADER_NAMES: Readonly<Record<string, HeaderName>> = {
  nm: 'a',
  cn: 'c',
  en: 'n',
  ex: 'e',
  nt: 't',
  av: 'av',
  os: 'ov',
  tt: 'm',
  at: 'u',
  sn: 'sn',
  md: 'md',
  lb: 'l',
  pid: 'pid',
}

const DRIVE_TYPES: Readonly<Record<string, number>> = {
  c: MEDIA_TYPE.optical,
  f: MEDIA_TYPE.fixed,
  l: MEDIA_TYPE.logical,
  m: MEDIA_TYPE.memory,
  r: MEDIA_TYPE.removable,
}

/** What a set says about its medium and its case. */
export interface Description extends CaseFacts {
  readonly medium: Medium
}

/** @throws {FormatError} where nothing says how large sectors and chunks are */
export async function readDescription(segments: readonly Ex01Segment[], name: string): Promise<Description> {
  const remarks: string[] = []
  const device = await firstText(segments, 'device information', remarks)
  const described = await firstText(segments, 'case data', remarks)
  if (!device || !described) {
    const cut = segments.find((segment) => segment.cut !== undefined)?.cut
    throw new FormatError(
      cut ?? `${name}: no ${device ? 'case data' : 'device information'} that can be read`,
    )
  }
  const number = (values: ReadonlyMap<string, string>, tag: string, what: string): bigint => {
    const value = values.get(tag) ?? ''
    if (!/^\d{1,19}$/.test(value)) throw new FormatError(`${name}: nothing says ${what} (${tag})`)
    return BigInt(value)
  }
  const sectorSize = number(device, 'bp', 'how large a sector is')
  const sectors = number(device, 'ts', 'how many sectors it has')
  const perChunk = number(described, 'sb', 'how many sectors are in a chunk')
  const declared = number(described, 'tb', 'how many chunks it has')
  const chunks = perChunk === 0n ? 0n : (sectors + perChunk - 1n) / perChunk
  if (declared !== chunks)
    remarks.push(`it says to have ${declared} chunks, which ${chunks} are of ${sectors} sectors`)

  const values: Partial<Record<HeaderName, string>> = {}
  for (const [tag, value] of [...described, ...device]) {
    const header = HEADER_NAMES[tag]
    if (header) values[header] = value
  }
  const { facts, noted, remarks: odd } = factsOf(values satisfies HeaderValues)
  return {
    facts,
    noted,
    remarks: [...remarks, ...odd],
    medium: {
      sectorSize: Number(sectorSize),
      chunkSize: Number(perChunk * sectorSize),
      size: sectors * sectorSize,
      signature: undefined,
      type: DRIVE_TYPES[device.get('dt') ?? ''],
      flags: device.get('ph') === '1' ? MEDIA_FLAG.physical : 0,
      setId: segments[0]?.setId,
      checksum: 'right',
    },
  }
}

/** Each segment has a copy: the first that can be read counts. */
async function firstText(
  segments: readonly Ex01Segment[],
  type: PlacedSection['type'],
  remarks: string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  let first: ReadonlyMap<string, string> | undefined
  let differ = false
  for (const segment of segments)
    for (const section of segment.sections) {
      if (section.type !== type) continue
      const text = await readText(segment, section)
      if (!text) remarks.push(`${segment.source.name}: the ${type} at ${hex(section.offset)} is damaged`)
      else if (!first) first = text
      else if (!isSame(first, text)) differ = true
    }
  if (differ) remarks.push(`its segments have different ${type}: the first counts`)
  return first
}

async function readText(segment: Ex01Segment, section: PlacedSection) {
  const body = await readBody(segment, section, MOST_STORED)
  if (!body?.sound) return undefined
  try {
    return decodeObjectText(body.bytes)
  } catch {
    return undefined
  }
}

const isSame = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([tag, value]) => b.get(tag) === value)
