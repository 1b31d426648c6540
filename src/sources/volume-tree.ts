import { aff4, pmem } from '../formats/aff4/lexicon.js'
import type { Volume } from '../formats/aff4/volume.js'
import type { StreamBody } from '../frames/frame.js'

/** What a volume holds of a tree of files besides their bytes. */
export interface TreeObject {
  readonly urn: string
  readonly volume: Volume
  readonly kind: 'folder' | 'link'
}

const KINDS = [
  [aff4('Folder'), 'folder'],
  [aff4('FolderImage'), 'folder'],
  [pmem('SymbolicLink'), 'link'],
] as const

/** Folders and links, those of a volume in the order in which it describes them. */
export function listTree(volumes: readonly Volume[]): TreeObject[] {
  const found = new Map<string, TreeObject>()
  for (const volume of volumes)
    for (const urn of volume.graph.subjects()) {
      const kind = KINDS.find(([type]) => volume.graph.isA(urn, type))?.[1]
      if (kind && !found.has(urn)) found.set(urn, { urn, volume, kind })
    }
  return [...found.values()]
}

/** Where a link leads, as STREAM has it. */
export function targetOf({ urn, volume: { graph } }: TreeObject): Pick<StreamBody, 'properties'> {
  const target = graph.value(urn, pmem('target'))
  const bytes = graph.value(urn, pmem('targetBytes')) ?? graph.value(urn, pmem('targetRaw'))
  if (target === undefined) return {}
  return { properties: { target, ...(bytes !== undefined && { targetBytes: bytes }) } }
}
