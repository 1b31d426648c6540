import { createHash, type Hash } from 'node:crypto'
import { ATTRIBUTE } from '../../src/formats/ntfs/attribute-type.js'
import { clusterUse } from '../../src/formats/ntfs/cluster-use.js'
import { openContent } from '../../src/formats/ntfs/content.js'
import { type DeletedLinks, readDeletedLinks } from '../../src/formats/ntfs/deleted-links.js'
import { entryState, listDirectory, openDirectory } from '../../src/formats/ntfs/directory.js'
import { carveDirectory } from '../../src/formats/ntfs/directory-slack.js'
import {
  decodeEaInformation,
  decodeExtendedAttributes,
  linuxMetadata,
} from '../../src/formats/ntfs/extended-attributes.js'
import { findAttribute, isDirectory, type NtfsFile } from '../../src/formats/ntfs/file.js'
import type { FileAttribute } from '../../src/formats/ntfs/file-attribute.js'
import { openFileIndex } from '../../src/formats/ntfs/file-index.js'
import { findTarget } from '../../src/formats/ntfs/find-target.js'
import { scanIndexBlocks } from '../../src/formats/ntfs/index-scan.js'
import { walkIndex } from '../../src/formats/ntfs/index-walk.js'
import { openLogFile } from '../../src/formats/ntfs/log-file/read.js'
import { decodeObjectId } from '../../src/formats/ntfs/object-id.js'
import { createPathFinder, formatPath, pathsOf } from '../../src/formats/ntfs/parent-path.js'
import { parseTarget } from '../../src/formats/ntfs/path.js'
import { decodeReparsePoint } from '../../src/formats/ntfs/reparse-point.js'
import { decodeSecurityDescriptor } from '../../src/formats/ntfs/security/descriptor.js'
import { readFileSecurity } from '../../src/formats/ntfs/security/file-security.js'
import { formatSddl } from '../../src/formats/ntfs/security/sddl.js'
import { scanSecurityEntries } from '../../src/formats/ntfs/security/store.js'
import { listShadowCopies } from '../../src/formats/ntfs/shadow-copies/shadow-copies.js'
import { decodeStandardInformation } from '../../src/formats/ntfs/standard-information.js'
import { walkTree } from '../../src/formats/ntfs/tree.js'
import { readUsnJournal } from '../../src/formats/ntfs/usn-journal/read.js'
import { type NtfsVolume, RECORD } from '../../src/formats/ntfs/volume.js'
import { decodeVolumeInformation } from '../../src/formats/ntfs/volume-information.js'

/** Does one thing; gives undefined where it was refused as it should be, and throws what must not be. */
export type Attempt = <T>(what: string, action: () => Promise<T>) => Promise<T | undefined>

const END = 1n << 20n
const MOST_VALUE = 1n << 20n

/** What was read of a stream: its digest, or undefined where some of it cannot be read. */
export type Digests = Map<string, string | undefined>

async function drain<T>(
  batches: AsyncIterable<readonly T[]>,
  use: (one: T) => void = () => {},
): Promise<void> {
  for await (const batch of batches) batch.forEach(use)
}

/** Does with a volume what the tools do. */
export async function useVolume(
  volume: NtfsVolume,
  paths: readonly string[],
  attempt: Attempt,
): Promise<Digests> {
  const digests: Digests = new Map()
  await attempt('walk the tree', async () => {
    for await (const { entries } of walkTree(volume, await volume.file(RECORD.ROOT)))
      for (const entry of entries) {
        entry.fileName()
        await entryState(volume, entry)
      }
  })
  const deleted = await attempt('read the links of deleted files', () => readDeletedLinks(volume))
  if (deleted) await attempt('list orphans', () => useDeleted(volume, deleted))
  for (const path of paths)
    await attempt(`find ${path}`, () =>
      findTarget(volume, parseTarget(path), deleted && (async () => deleted)),
    )
  const findPath = createPathFinder(volume)
  for (let number = 0; number < Math.min(volume.recordCount, MOST_RECORDS); number++) {
    const file = await attempt(`open record ${number}`, () => volume.file(number))
    if (!file) continue
    await attempt(`find the paths of record ${number}`, async () =>
      (await pathsOf(file, findPath)).map(formatPath),
    )
    await attempt(`read the security of record ${number}`, () =>
      readFileSecurity(volume, file, volume.report),
    )
    for (const attribute of file.attributes) await useAttribute(volume, file, attribute, attempt, digests)
    if (isDirectory(file)) await useDirectory(volume, file, attempt, digests)
  }
  await attempt('read the log', () => useLog(volume))
  await attempt('scan security descriptors', () => useSecurity(volume))
  await attempt('list shadow copies', () => useShadowCopies(volume))
  return digests
}

const MOST_RECORDS = 8192
const MOST_LOG = 16n << 20n

async function useDeleted(volume: NtfsVolume, deleted: DeletedLinks): Promise<void> {
  for await (const _ of deleted.orphans());
  for await (const _ of deleted.children(await volume.record(RECORD.ROOT)));
}

async function useDirectory(
  volume: NtfsVolume,
  file: NtfsFile,
  attempt: Attempt,
  digests: Digests,
): Promise<void> {
  const { record } = file.reference
  await attempt(`list record ${record}`, async () => {
    const hash = createHash('sha1')
    await drain(listDirectory(openDirectory(volume, file)), (entry) =>
      hash.update(`${entry.record}-${entry.sequence} ${entry.name}\n`),
    )
    digests.set(`${record} names`, hash.digest('hex'))
  })
  await attempt(`carve record ${record}`, () => drain(carveDirectory(volume, file)))
}

async function useAttribute(
  volume: NtfsVolume,
  file: NtfsFile,
  attribute: FileAttribute,
  attempt: Attempt,
  digests: Digests,
): Promise<void> {
  const { type, name } = attribute
  const key = `${file.reference.record}:${type}:${name}`
  await attempt(`read ${key}`, async () => {
    const content = await openContent(volume, file, attribute)
    const hash = createHash('sha1')
    let whole = true
    const parts = [
      [0n, END],
      [content.size > 2n * END ? content.size - END : END, content.size],
    ] as const
    for (const [start, end] of parts)
      if (start < content.size)
        for await (const piece of content.pieces(start, end)) whole = add(hash, piece) && whole
    digests.set(key, whole ? hash.digest('hex') : undefined)
  })
  await attempt(`decode ${key}`, () => decode(volume, file, attribute))
  await attempt(`ask for the clusters of ${key}`, () => clusterUse(volume, attribute.runs))
}

function add(hash: Hash, piece: { kind: string; bytes?: Buffer; length?: bigint }): boolean {
  if (piece.bytes) hash.update(piece.bytes)
  else hash.update(`${piece.kind} ${piece.length}`)
  return piece.kind !== 'unreadable'
}

async function decode(volume: NtfsVolume, file: NtfsFile, attribute: FileAttribute): Promise<void> {
  const value = () => volume.read(attribute, MOST_VALUE)
  switch (attribute.type) {
    case ATTRIBUTE.STANDARD_INFORMATION:
      decodeStandardInformation(await value())
      return
    case ATTRIBUTE.OBJECT_ID:
      decodeObjectId(await value())
      return
    case ATTRIBUTE.SECURITY_DESCRIPTOR:
      formatSddl(decodeSecurityDescriptor(await value()))
      return
    case ATTRIBUTE.VOLUME_INFORMATION:
      decodeVolumeInformation(await value())
      return
    case ATTRIBUTE.REPARSE_POINT:
      decodeReparsePoint(await value())
      return
    case ATTRIBUTE.EA_INFORMATION:
      decodeEaInformation(await value())
      return
    case ATTRIBUTE.EA:
      linuxMetadata(decodeExtendedAttributes(await value(), volume.report))
      return
    case ATTRIBUTE.INDEX_ROOT: {
      const index = openFileIndex(volume, file, attribute.name)
      await drain(walkIndex(index))
      for await (const _ of scanIndexBlocks(index));
      return
    }
    default:
  }
}

async function useLog(volume: NtfsVolume): Promise<void> {
  const data = findAttribute(await volume.file(RECORD.LOG_FILE), ATTRIBUTE.DATA)
  if (!data) return
  const stream = volume.stream(data, '$LogFile')
  // As far as it is mapped, which is all that a journal is read of, too.
  const mapped = BigInt(data.endVcn) * BigInt(volume.geometry.clusterSize)
  const log = { ...stream, size: mapped < MOST_LOG ? mapped : MOST_LOG }
  await drain(readUsnJournal(log, { first: 0n, report: volume.report }))
  await drain((await openLogFile(log, volume.report)).records())
}

async function useSecurity(volume: NtfsVolume): Promise<void> {
  const data = findAttribute(await volume.file(RECORD.SECURE), ATTRIBUTE.DATA, '$SDS')
  if (!data) return
  for await (const { descriptor } of scanSecurityEntries(volume.stream(data, '$SDS'), volume.report))
    formatSddl(decodeSecurityDescriptor(descriptor))
}

async function useShadowCopies(volume: NtfsVolume): Promise<void> {
  for (const copy of await listShadowCopies(volume.source, volume.report)) await copy.open().read(0n, 1 << 20)
}
