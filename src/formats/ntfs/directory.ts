import { isDirectory, type NtfsFile } from './file.js'
import { NAME_INDEX, openFileIndex } from './file-index.js'
import {
  decodeFileName,
  type FileName,
  fileNameLength,
  fileNameNamespace,
  fileNameText,
  holdsFileName,
  isNameOfDirectory,
  NAMESPACE_OF,
} from './file-name.js'
import type { FileReference } from './file-reference.js'
import { type Finding, NtfsError } from './finding.js'
import type { NtfsIndex } from './index.js'
import type { IndexEntry } from './index-entry.js'
import { findUnreached, scanIndexBlocks } from './index-scan.js'
import { findInIndex, walkIndex } from './index-walk.js'
import { RECORD_FLAG } from './record.js'
import { recoverEntries } from './recovered-entries.js'
import { compareIgnoringCase, type UpCase } from './up-case.js'
import type { NtfsVolume } from './volume.js'
import { volumeUpCase } from './volume-up-case.js'

/** A name in a directory. */
export interface DirectoryEntry {
  readonly record: number
  readonly sequence: number
  /** UTF-16 units as they are. */
  readonly name: string
  readonly namespace: number
  /** By this name; the record decides. */
  readonly isDirectory: boolean
  /**
   * Where it was found: in the tree; in a block of the index that no sound branch leads to; in a record of $MFT,
   * because the index cannot be read; in a record that is no longer in use; or in one in use that no directory lists.
   */
  readonly source: 'tree' | 'block' | 'record' | 'deleted' | 'lost'
  /** Its $FILE_NAME, times and sizes included: decoded when asked for. */
  fileName(): FileName
}

/** A file as a directory. */
export interface Directory {
  readonly volume: NtfsVolume
  readonly reference: FileReference
  /** undefined: it cannot be used, which was reported; what it held is looked for in $MFT. */
  readonly index: NtfsIndex | undefined
  /** Whether something was wrong with the index so far. */
  readonly damaged: boolean
}

/**
 * Opens the index of names of a file.
 * @throws {NtfsError} when it is no directory
 */
export function openDirectory(volume: NtfsVolume, file: NtfsFile): Directory {
  const { reference } = file
  if (!isDirectory(file)) throw new NtfsError(`record ${reference.record} is no directory`)
  let damaged = false
  const report = (finding: Finding) => {
    damaged = true
    volume.report(finding)
  }
  const directory = (index: NtfsIndex | undefined): Directory => ({
    volume,
    reference,
    index,
    get damaged() {
      return damaged
    },
  })
  try {
    return directory(openFileIndex(volume, file, NAME_INDEX, report))
  } catch (error) {
    report({
      message: `${(error as Error).message}; its files are looked for in $MFT`,
      record: reference.record,
    })
    return directory(undefined)
  }
}

/**
 * What a directory holds, in its own order: a batch a block, then the short names that stand beside no long one. Where
 * the tree is damaged, what is found off it follows.
 */
export async function* listDirectory(directory: Directory): AsyncGenerator<readonly DirectoryEntry[]> {
  /** Records that names lead to, 8 bytes of each: of a million entries nothing else is kept. */
  const long: number[] = []
  const withoutLong = new Set<number>()
  for await (const batch of allEntries(directory)) {
    const entries: DirectoryEntry[] = []
    for (const entry of batch) {
      if (entry.namespace === NAMESPACE_OF.DOS) withoutLong.add(entry.record)
      else {
        long.push(entry.record)
        entries.push(entry)
      }
    }
    yield entries
  }
  if (withoutLong.size > 0) for (const record of long) withoutLong.delete(record)
  if (withoutLong.size === 0) return
  for await (const batch of allEntries(directory))
    yield batch.filter(({ namespace, record }) => namespace === NAMESPACE_OF.DOS && withoutLong.has(record))
}

/** Short names beside long ones, too. */
export async function* allEntries(directory: Directory): AsyncGenerator<readonly DirectoryEntry[]> {
  const { index } = directory
  if (!index) {
    yield* recoverEntries(directory.volume, directory.reference)
    return
  }
  const visited = new Set<number>()
  for await (const batch of walkIndex(index, visited)) yield entriesOf(index, batch, 'tree')
  const inRecords = directory.damaged
  const unreached = await findUnreached(index, visited)
  if (unreached !== undefined) index.complain(`no branch leads to block ${unreached}, which is in use`)
  if (directory.damaged) yield* entriesOffTree(directory, index, visited, inRecords)
}

/**
 * What blocks hold that the walk did not visit, and then what records of $MFT name it as their parent.
 * @param inRecords whether to look for those: it takes a search of all of $MFT
 */
async function* entriesOffTree(
  directory: Directory,
  index: NtfsIndex,
  visited: ReadonlySet<number>,
  inRecords: boolean,
): AsyncGenerator<readonly DirectoryEntry[]> {
  const known = new Set<string>()
  const isNew = ({ record, sequence, name }: DirectoryEntry) => {
    const key = `${record}-${sequence}/${name}`
    return !known.has(key) && known.add(key)
  }
  for await (const batch of walkIndex(index)) entriesOf(index, batch, 'tree').forEach(isNew)
  for await (const { block } of scanIndexBlocks(index, (block, used) => visited.has(block) || used === false))
    yield entriesOf(index, block.node.entries, 'block').filter(isNew)
  if (!inRecords) return
  for await (const batch of recoverEntries(directory.volume, directory.reference)) yield batch.filter(isNew)
}

/**
 * The entries of the tree that a name leads to, when case does not count: those with the very name where there are some,
 * one for each file.
 */
export async function findEntries({ volume, index }: Directory, wanted: string): Promise<DirectoryEntry[]> {
  return index ? choose(await findInTree(index, await volumeUpCase(volume), wanted), wanted) : []
}

/**
 * The same, wherever they may stand: in the root and in every block of an index that may be out of order, and where it
 * is damaged in all of $MFT. To be asked when the tree has none.
 */
export async function searchEntries(directory: Directory, wanted: string): Promise<DirectoryEntry[]> {
  const { index, volume } = directory
  const upCase = await volumeUpCase(volume)
  const isWanted = ({ name }: DirectoryEntry) => compareIgnoringCase(upCase, name, wanted) === 0
  if (index) {
    const found = entriesOf(index, index.root.node.entries, 'block').filter(isWanted)
    for await (const { block } of scanIndexBlocks(index, (_, inUse) => inUse === false))
      found.push(...entriesOf(index, block.node.entries, 'block').filter(isWanted))
    if (found.length > 0 || !directory.damaged) return choose(found, wanted)
  }
  const found: DirectoryEntry[] = []
  for await (const batch of recoverEntries(directory.volume, directory.reference))
    found.push(...batch.filter(isWanted))
  return choose(found, wanted)
}

async function findInTree(index: NtfsIndex, upCase: UpCase, wanted: string): Promise<DirectoryEntry[]> {
  const found: DirectoryEntry[] = []
  const place = ({ bytes, key, keyLength }: IndexEntry) =>
    holdsFileName(bytes, key, keyLength) ? compareIgnoringCase(upCase, fileNameText(bytes, key), wanted) : -1
  for await (const batch of findInIndex(index, place)) found.push(...entriesOf(index, batch, 'tree'))
  return found
}

/** Of one file its long name stands for all. */
function choose(entries: readonly DirectoryEntry[], wanted: string): DirectoryEntry[] {
  const exact = entries.filter(({ name }) => name === wanted)
  const files = new Map<string, DirectoryEntry>()
  for (const entry of exact.length > 0 ? exact : entries) {
    const key = `${entry.record}-${entry.sequence}`
    if (!files.has(key) || entry.namespace !== NAMESPACE_OF.DOS) files.set(key, entry)
  }
  return [...files.values()]
}

function entriesOf(
  index: NtfsIndex,
  entries: readonly IndexEntry[],
  source: 'tree' | 'block',
): DirectoryEntry[] {
  const found: DirectoryEntry[] = []
  for (const { bytes, at, key, keyLength } of entries) {
    if (keyLength === 0) continue
    if (!holdsFileName(bytes, key, keyLength)) {
      index.complain(`an entry has a key of ${keyLength} bytes, which is no name`)
      continue
    }
    if (keyLength > fileNameLength(bytes, key))
      index.complain(`an entry has a key of ${keyLength} bytes, and its name ends before`)
    found.push({
      record: bytes.readUIntLE(at, 6),
      sequence: bytes.readUInt16LE(at + 6),
      name: fileNameText(bytes, key),
      namespace: fileNameNamespace(bytes, key),
      isDirectory: isNameOfDirectory(bytes, key),
      source,
      fileName: () => decodeFileName(bytes, key, keyLength),
    })
  }
  return found
}

/** What the record that an entry leads to has become. */
export type EntryState = 'live' | 'reallocated' | 'unused' | 'unreadable'

/** Reads the record that an entry leads to. */
export async function entryState(volume: NtfsVolume, entry: FileReference): Promise<EntryState> {
  try {
    const { sequence, flags } = await volume.record(entry.record)
    if ((flags & RECORD_FLAG.IN_USE) === 0) return 'unused'
    return entry.sequence === 0 || entry.sequence === sequence ? 'live' : 'reallocated'
  } catch {
    return 'unreadable'
  }
}
