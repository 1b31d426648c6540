import { ATTRIBUTE, attributeTypeName } from './attribute-type.js'
import type { DeletedLink } from './deleted.js'
import type { DeletedLinks } from './deleted-links.js'
import { findEntries, openDirectory, searchEntries } from './directory.js'
import type { NtfsFile } from './file.js'
import type { FileAttribute } from './file-attribute.js'
import type { FileReference } from './file-reference.js'
import { NtfsError } from './finding.js'
import {
  type AttributeSelector,
  ORPHANS,
  type PathTarget,
  type Reading,
  type RecordTarget,
  readingsOf,
  type Step,
  stepsOf,
  type Target,
} from './path.js'
import { isInUse } from './record.js'
import { compareIgnoringCase } from './up-case.js'
import { type NtfsVolume, RECORD } from './volume.js'
import { volumeUpCase } from './volume-up-case.js'

/** What a user named. */
export interface FoundTarget {
  readonly file: NtfsFile
  /** undefined: none was named. */
  readonly attribute: FileAttribute | undefined
  /** The name that it was asked for by, in a path. */
  readonly name?: string
}

/** Gives the links of deleted files, once they are needed; undefined: those are not to be found. */
export type GiveDeleted = (() => Promise<DeletedLinks>) | undefined

/**
 * Finds what a user named.
 * @param deleted asked for orphans, and for names that no directory holds any more
 * @throws {NtfsError} says which part was not found, or between which files the name does not decide
 */
export async function findTarget(
  volume: NtfsVolume,
  target: Target,
  deleted?: GiveDeleted,
): Promise<FoundTarget> {
  if (target.kind === 'path') return findPath(volume, target, deleted)
  const file = await fileOfRecord(volume, target)
  return { file, attribute: target.attribute && (await selectAttribute(volume, file, target.attribute)) }
}

async function fileOfRecord(volume: NtfsVolume, { record, sequence }: RecordTarget): Promise<NtfsFile> {
  const file = await volume.file(record)
  const has = file.reference.sequence
  if (sequence === undefined || sequence === 0 || sequence === has) return file
  throw new NtfsError(
    `record ${record} has sequence number ${has}, not ${sequence}`,
    undefined,
    attributeTypeName(sequence).startsWith('$')
      ? `for its ${attributeTypeName(sequence)} say ${record}:${sequence}; for a file of that name say /${record}-${sequence}`
      : `${record} is whatever the record holds now; for a file of that name say /${record}-${sequence}`,
  )
}

async function findPath(
  volume: NtfsVolume,
  { orphan, text }: PathTarget,
  deleted: GiveDeleted,
): Promise<FoundTarget> {
  if (orphan && !deleted)
    throw new NtfsError(
      `${ORPHANS} holds deleted and lost files, which are not looked for`,
      undefined,
      'say --deleted',
    )
  if (text === '' && orphan) throw new NtfsError(`${ORPHANS} is no file`)
  const passed: string[] = orphan ? [ORPHANS] : []
  let at: NtfsFile | undefined = orphan ? undefined : await openRoot(volume)
  let left = text
  while (left !== '') {
    const found = await takeName(volume, at, left, deleted)
    if (!found) throw notFound(stepsOf(left).plain.name, passed)
    const { name, attribute } = found.reading
    passed.push(name)
    at = await open(volume, found.reference, passed)
    if (found.rest === '')
      return { file: at, attribute: attribute && (await selectAttribute(volume, at, attribute)), name }
    left = found.rest
  }
  return { file: at!, attribute: undefined }
}

/** What a reading leads to. */
interface Found {
  readonly reading: Reading
  readonly reference: FileReference
}

/** A name, found in a directory. */
interface Taken extends Found {
  /** What follows it in the path. */
  readonly rest: string
}

/**
 * The first name of a path in a directory. Separators part names, unless the tree holds one with backslashes; and where
 * nothing else is found the name may have any of them.
 */
async function takeName(
  volume: NtfsVolume,
  directory: NtfsFile | undefined,
  path: string,
  deleted: GiveDeleted,
): Promise<Taken | undefined> {
  const { backslashed, plain, longer } = stepsOf(path)
  if (directory && hasIndex(directory, deleted) && backslashed.length > 0) {
    const index = openDirectory(volume, directory)
    for (const { name, rest } of backslashed) {
      const readings = readingsOfStep({ name, rest }).filter((reading) => reading.name.includes('\\'))
      const found = await tryReadings(readings, async (wanted) =>
        (await findEntries(index, wanted)).filter((entry) => rest === '' || entry.isDirectory),
      )
      if (found) return { ...found, rest }
    }
  }
  const ways = waysOf(volume, directory, deleted)
  for (const step of [plain, ...longer]) {
    const found = await lookUp(step === plain ? ways : ways.filter(({ slow }) => !slow), readingsOfStep(step))
    if (found) return { ...found, rest: step.rest }
  }
  return undefined
}

/** Whether names are looked for in its index: of one that was deleted, that may hold anything. The root never is. */
const hasIndex = ({ base, reference }: NtfsFile, deleted: GiveDeleted): boolean =>
  isInUse(base) || !deleted || reference.record === RECORD.ROOT

/** Only the last name of a path can have a stream behind it. */
const readingsOfStep = ({ name, rest }: Step): readonly Reading[] =>
  rest === '' ? readingsOf(name) : [{ name, attribute: undefined }]

/** What bears a name. */
type Way = (name: string) => Promise<readonly FileReference[]>

/**
 * By the tree, then by a search, then among the deleted.
 * @param directory undefined: that of the orphans
 */
function waysOf(
  volume: NtfsVolume,
  directory: NtfsFile | undefined,
  deleted: GiveDeleted,
): readonly { way: Way; slow?: boolean }[] {
  const ways: { way: Way; slow?: boolean }[] = []
  if (directory && hasIndex(directory, deleted)) {
    const index = openDirectory(volume, directory)
    ways.push(
      { way: (name) => findEntries(index, name) },
      { way: (name) => searchEntries(index, name), slow: true },
    )
  }
  if (deleted)
    ways.push({
      way: async (name) => {
        const links = await deleted()
        if (directory) return choose(volume, links.children(directory.base), name)
        const orphans = await choose(volume, links.orphans(), name)
        return [...orphans, ...(await choose(volume, links.lost(), name))]
      },
    })
  return ways
}

/**
 * The file that the first reading with one leads to, by the first way that there is.
 * @throws {NtfsError} when several files have the name
 */
async function lookUp(
  ways: readonly { readonly way: Way }[],
  readings: readonly Reading[],
): Promise<Found | undefined> {
  for (const { way } of ways) {
    const found = await tryReadings(readings, way)
    if (found) return found
  }
  return undefined
}

async function tryReadings(readings: readonly Reading[], way: Way): Promise<Found | undefined> {
  for (const reading of readings) {
    const [reference, ...others] = await way(reading.name)
    if (reference && others.length > 0) throw ambiguous(reading.name, [reference, ...others])
    if (reference) return { reading, reference }
  }
  return undefined
}

async function open(
  volume: NtfsVolume,
  reference: FileReference,
  path: readonly string[],
): Promise<NtfsFile> {
  try {
    return await volume.file(reference)
  } catch (error) {
    throw new NtfsError(`${path.join('/')}: ${(error as Error).message}`)
  }
}

/** Of links to files those of a name. */
async function choose(
  volume: NtfsVolume,
  links: AsyncIterable<DeletedLink>,
  name: string,
): Promise<readonly FileReference[]> {
  const upCase = await volumeUpCase(volume)
  const exact = new Map<number, FileReference>()
  const alike = new Map<number, FileReference>()
  for await (const { record, sequence, fileName } of links) {
    if (compareIgnoringCase(upCase, fileName.name, name) !== 0) continue
    alike.set(record, { record, sequence })
    if (fileName.name === name) exact.set(record, { record, sequence })
  }
  return [...(exact.size > 0 ? exact : alike).values()]
}

function notFound(name: string, passed: readonly string[]): NtfsError {
  return new NtfsError(`there is no ${name} in ${passed.length === 0 ? 'the root' : passed.join('/')}`)
}

function ambiguous(name: string, files: readonly FileReference[]): NtfsError {
  const numbers = files.map(({ record, sequence }) => `${record}-${sequence}`)
  return new NtfsError(
    `${files.length} files are called ${name}: ${numbers.slice(0, MOST_CANDIDATES).join(', ')}${numbers.length > MOST_CANDIDATES ? ' …' : ''}`,
    undefined,
    'name one as it is spelt, or by its record',
  )
}

/** Files and attributes that a message lists. */
const MOST_CANDIDATES = 10

/**
 * Finds an attribute of a file: by its id in the base record first, since ids repeat from record to record; by its name,
 * when no other is spelt so, in any case.
 * @throws {NtfsError} when there is none, or several
 */
export async function selectAttribute(
  volume: NtfsVolume,
  file: NtfsFile,
  selector: AttributeSelector,
): Promise<FileAttribute> {
  const { record } = file.reference
  const ofType = file.attributes.filter(({ type }) => type === selector.type)
  const label = attributeTypeName(selector.type)
  if ('id' in selector) {
    const alike = ofType.filter(({ id }) => id === selector.id)
    const [only, ...others] = [alike.find((one) => one.record === record) ?? alike].flat()
    if (only && others.length === 0) return only
    throw new NtfsError(
      `record ${record} has ${only ? `${others.length + 1} times` : 'no'} ${label} with id ${selector.id}`,
      undefined,
      listOf(record, only ? alike : ofType),
    )
  }
  const upCase = await volumeUpCase(volume)
  const exact = ofType.filter(({ name }) => name === selector.name)
  const alike = ofType.filter(({ name }) => compareIgnoringCase(upCase, name, selector.name) === 0)
  const only = exact[0] ?? (alike.length === 1 ? alike[0] : undefined)
  if (only) return only
  throw new NtfsError(
    `record ${record} has ${alike.length > 0 ? `${alike.length} times` : 'no'} ${
      selector.name === ''
        ? `unnamed ${label}`
        : `${selector.type === ATTRIBUTE.DATA ? 'stream' : label} ${selector.name}`
    }`,
    undefined,
    listOf(record, alike.length > 0 ? alike : ofType),
  )
}

function listOf(record: number, attributes: readonly FileAttribute[]): string | undefined {
  if (attributes.length === 0) return undefined
  const listed = attributes.slice(0, MOST_CANDIDATES).map(({ type, name }) => `${record}:${type}:${name}`)
  return `there ${attributes.length === 1 ? 'is' : 'are'} ${listed.join(', ')}${attributes.length > MOST_CANDIDATES ? ' …' : ''}`
}

/** @throws {NtfsError} with the way to all that hung below it */
async function openRoot(volume: NtfsVolume): Promise<NtfsFile> {
  try {
    return await volume.file(RECORD.ROOT)
  } catch (error) {
    throw new NtfsError(`the root cannot be read: ${(error as Error).message}`, undefined, WITHOUT_ROOT)
  }
}

const WITHOUT_ROOT = `ntfs-ls -r --deleted IMAGE '${ORPHANS}' lists what records tell without it`
