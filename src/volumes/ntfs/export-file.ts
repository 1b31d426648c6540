import type { Log } from '../../cli/messages.js'
import { showSize } from '../../cli/sizes.js'
import { reasonOfOne, type Tree, type TreeFacts } from '../../cli/tree.js'
import { VERSION } from '../../cli/version.js'
import { FormatError } from '../../formats/format-error.js'
import { ATTRIBUTE_FLAG } from '../../formats/ntfs/attribute.js'
import { ATTRIBUTE, attributeTypeName } from '../../formats/ntfs/attribute-type.js'
import { clusterUse } from '../../formats/ntfs/cluster-use.js'
import { type Content, openContent } from '../../formats/ntfs/content.js'
import { findAttribute, isDirectory, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import { fileFlagNames } from '../../formats/ntfs/file-flags.js'
import { links } from '../../formats/ntfs/file-name.js'
import { formatFiletime, unixNanoseconds } from '../../formats/ntfs/filetime.js'
import { namesOf } from '../../formats/ntfs/parent-path.js'
import { isInUse } from '../../formats/ntfs/record.js'
import { decodeReparsePoint, REPARSE_TAG, type ReparsePoint } from '../../formats/ntfs/reparse-point.js'
import {
  decodeStandardInformation,
  type StandardInformation,
} from '../../formats/ntfs/standard-information.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'
import { type Copied, copyContent, mapOfCopy } from './copy-content.js'
import { type Companion, exportPlace } from './export-name.js'

/** Where files go, and who is told. */
export interface Export {
  readonly volume: NtfsVolume
  readonly tree: Tree
  readonly log: Log
  /** Told of everything that was written. */
  written(entry: Written): Promise<void>
  /** Told when something of a file is lost, or may be. */
  lost(): void
  /** Told of bytes of a stream, and of each file. */
  passed(path: string, bytes: bigint): Promise<void>
}

/** A thing in the folder, and whose it is on the volume. */
export interface Thing {
  readonly file: string
  readonly path: string
  readonly record: number
  readonly sequence: number
  readonly [fact: string]: unknown
}

export interface Written extends Thing {
  readonly kind: 'file' | 'folder' | 'stream' | 'reparse'
}

/** Deleted files stand apart: what is there now may have their names. */
const DELETED = '$Deleted'
/** Larger ones are not Windows'. */
const LARGEST_REPARSE_POINT = 1n << 20n
const WOF_STREAM = 'WofCompressedData'

/**
 * Writes a file or a directory, its streams and what its reparse point says, not what is below it.
 * @param path its names from the root of the volume on
 * @throws what no other file could do better about: the disk is full, or something is there already
 */
export async function exportFile(to: Export, file: NtfsFile, path: readonly string[]): Promise<void> {
  const one = await describe(to, file, path)
  await to.passed(one.shown, 0n)
  if (file.findings.length > 0) to.lost()
  if (isDirectory(file))
    await guarded(to, one.shown, async () => {
      const place = to.tree.folder(exportPlace(one.path, one.record), one.facts)
      await to.written({ ...one.entry(place), kind: 'folder' })
    })
  const point = await readReparsePoint(to, file, one.shown)
  const isCompact = point?.tag === REPARSE_TAG.WOF
  const streams = file.attributes.filter(({ type }) => type === ATTRIBUTE.DATA)
  const main = streams.find(({ name }) => name === '')
  for (const attribute of streams) {
    // What WOF compressed is written as programs see it.
    if (isCompact && main && attribute.name === WOF_STREAM) continue
    // The text about a link stands for it.
    if (attribute === main && point?.target !== undefined && main.sizes.data === 0n) continue
    await writeAttribute(to, one, file, attribute)
  }
  if (!main && !isDirectory(file) && point?.target === undefined) await writeEmpty(to, one)
  if (point && !isCompact) await writeReparsePoint(to, one, point)
}

/** Writes one attribute of a file, whatever its type. */
export async function exportAttribute(
  to: Export,
  file: NtfsFile,
  path: readonly string[],
  attribute: FileAttribute,
): Promise<void> {
  const one = await describe(to, file, path)
  if (file.findings.length > 0) to.lost()
  await writeAttribute(to, one, file, attribute)
}

/** What is the same for all that is written of a file. */
interface One {
  /** Below the folder. */
  readonly path: readonly string[]
  readonly record: number
  readonly shown: string
  readonly facts: TreeFacts
  /** Whether it has several links: what is written of it has as many names. */
  readonly linked: boolean
  entry(place: Buffer | string): Thing
}

async function describe(to: Export, file: NtfsFile, path: readonly string[]): Promise<One> {
  const { record, sequence } = file.reference
  const shown = path.join('/') || '/'
  const information = readInformation(to, file, shown)
  const times = information?.times
  return {
    path: isInUse(file.base) ? path : [DELETED, ...path],
    record,
    shown,
    linked: links(namesOf(file)).length > 1,
    facts: {
      attributes: [],
      ...(times && {
        times: { written: unixNanoseconds(times.modified), accessed: unixNanoseconds(times.accessed) },
      }),
    },
    entry: (place) => ({
      file: String(place),
      path: path.join('/'),
      record,
      sequence,
      ...(!isInUse(file.base) && { deleted: true }),
      ...(times &&
        Object.fromEntries(Object.entries(times).map(([name, time]) => [name, formatFiletime(time)]))),
      ...(information && { flags: fileFlagNames(information.flags) }),
    }),
  }
}

function readInformation(to: Export, file: NtfsFile, shown: string): StandardInformation | undefined {
  try {
    const value = findAttribute(file, ATTRIBUTE.STANDARD_INFORMATION)?.value
    return value && decodeStandardInformation(value)
  } catch (error) {
    lose(to, shown, error)
    return undefined
  }
}

async function readReparsePoint(
  to: Export,
  file: NtfsFile,
  shown: string,
): Promise<ReparsePoint | undefined> {
  const attribute = findAttribute(file, ATTRIBUTE.REPARSE_POINT)
  if (!attribute) return undefined
  try {
    return decodeReparsePoint(await to.volume.read(attribute, LARGEST_REPARSE_POINT))
  } catch (error) {
    lose(to, shown, error)
    return undefined
  }
}

async function writeAttribute(to: Export, one: One, file: NtfsFile, attribute: FileAttribute): Promise<void> {
  const { type, name, flags } = attribute
  const isData = type === ATTRIBUTE.DATA
  const isMain = isData && name === ''
  const stream = isMain ? [] : isData ? [name] : [name, attributeTypeName(type)]
  const shown = [one.shown, ...stream].join(':')
  const kind = isMain ? 'file' : 'stream'
  const facts = { ...(!isMain && { stream: stream.join(':') }), size: attribute.sizes.data }
  const identity = one.linked ? `${one.record} ${attribute.record} ${type} ${attribute.id}` : undefined
  await guarded(to, shown, async () => {
    const further = identity && to.tree.again(exportPlace(one.path, one.record, { stream }), identity)
    if (further) {
      await to.written({ ...one.entry(further), kind, ...facts, linked: true })
      return
    }
    if ((flags & ATTRIBUTE_FLAG.ENCRYPTED) !== 0)
      to.log.warn(`${shown}: encrypted: its bytes are written as they are`)
    const reused = isInUse(file.base) ? undefined : await countReused(to, attribute, shown)
    const content = await openContent(to.volume, file, attribute)
    const written = await writeContent(to, one, { stream }, shown, content, identity)
    if (written)
      await to.written({ ...one.entry(written.place), kind, ...facts, ...written.facts, ...reused })
  })
}

/** Of a deleted file, how much has been given to others. */
async function countReused(to: Export, { runs }: FileAttribute, shown: string) {
  if (runs.length === 0) return undefined
  const { clusters, inUse } = await clusterUse(to.volume, runs)
  if (inUse > 0) to.log.warn(`${shown}: ${inUse} of its ${clusters} clusters belong to other files by now`)
  return { clusters, clustersReused: inUse }
}

interface Place {
  readonly place: Buffer | string
  readonly facts: Record<string, unknown>
}

/** @returns undefined when there is no place for it, which was told */
async function writeContent(
  to: Export,
  one: One,
  companion: Companion,
  shown: string,
  content: Content,
  identity: string | undefined,
): Promise<Place | undefined> {
  const file = to.tree.file(exportPlace(one.path, one.record, companion))
  let end = 0n
  let closed = false
  try {
    if (!file.holds(content.size)) {
      to.log.error(`${shown}: the file system has no files of ${showSize(content.size)}`)
      to.lost()
      return undefined
    }
    const copied = await copyContent(content, file, to.volume.source.size, async (bytes) => {
      end += bytes
      await to.passed(shown, bytes)
    })
    const { lost, reason } = copied
    const amount = lost.reduce((sum, { length }) => sum + length, 0n)
    const complete = copied.end === content.size
    const map = amount === 0n ? undefined : writeMap(to, one, companion, shown, copied, content.size)
    closed = true
    if (complete) file.commit(content.size, { ...one.facts, ...(identity && { identity }) }, identity && '')
    else file.leave(copied.end)
    const place = complete ? file.final : file.path
    if (!map) return { place, facts: {} }
    to.lost()
    const instead = complete
      ? 'text stands in their place'
      : `too much to write text in their place: ${place} ends there`
    to.log.error(`${shown}: ${showSize(amount)} cannot be read: ${reason}: ${instead}`, `${map} lists them`)
    return { place, facts: { unreadable: amount, map: String(map), ...(!complete && { partial: true }) } }
  } finally {
    if (!closed) leave(() => file.leave(end))
  }
}

/** Before the copy takes its final name. @returns where the map is */
function writeMap(
  to: Export,
  one: One,
  companion: Companion,
  shown: string,
  copied: Copied,
  size: bigint,
): Buffer {
  const comments = [`Mapfile. Created by pmem ntfs-export ${VERSION}`, `Stream: ${shown}`]
  return writeText(to, one, { ...companion, extension: '.map' }, mapOfCopy(copied, size, comments))
}

/** After a failure that is told itself. */
function leave(act: () => void): void {
  try {
    act()
  } catch {
    // A disk that is full does not take the size either; the name still tells.
  }
}

/** @returns where it is */
function writeText(to: Export, one: One, companion: Companion, bytes: Uint8Array): Buffer {
  const file = to.tree.file(exportPlace(one.path, one.record, companion))
  let closed = false
  try {
    file.writeAt(0n, bytes)
    closed = true
    file.commit(BigInt(bytes.length), one.facts, undefined)
    return file.final
  } finally {
    if (!closed) leave(() => file.leave(0n))
  }
}

/** A file that has no unnamed stream is empty. */
async function writeEmpty(to: Export, one: One): Promise<void> {
  await guarded(to, one.shown, async () => {
    const place = writeText(to, one, {}, Buffer.alloc(0))
    await to.written({ ...one.entry(place), kind: 'file', size: 0n })
  })
}

/** A live link would lead out of the folder: what it says is written instead. */
async function writeReparsePoint(to: Export, one: One, point: ReparsePoint): Promise<void> {
  const { tag, name, target, shown, relative, guid, data } = point
  const lines = [
    `tag: ${name} (0x${tag.toString(16)})`,
    ...(target === undefined ? [] : [`target: ${JSON.stringify(target)}`]),
    ...(shown === undefined ? [] : [`shown: ${JSON.stringify(shown)}`]),
    ...(relative === undefined ? [] : [`relative: ${relative}`]),
    ...(guid === undefined ? [] : [`guid: ${guid}`]),
    `data: ${data.toString('hex')}`,
  ]
  await guarded(to, one.shown, async () => {
    const place = writeText(to, one, { extension: '.reparse' }, Buffer.from(`${lines.join('\n')}\n`))
    await to.written({
      ...one.entry(place),
      kind: 'reparse',
      tag: name,
      ...(target !== undefined && { target }),
    })
  })
}

/** One stream that cannot be read or written is no reason to lose the others. */
async function guarded(to: Export, shown: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    lose(to, shown, error)
  }
}

/** Tells of something that could not be had. @throws what is a reason to lose all the rest, too */
export function lose(to: Pick<Export, 'log' | 'lost'>, shown: string, error: unknown): void {
  const reason = error instanceof FormatError ? error.message : reasonOfOne(error)
  to.lost()
  to.log.error(`${shown}: ${reason}`, error instanceof FormatError ? error.hint : undefined)
}
