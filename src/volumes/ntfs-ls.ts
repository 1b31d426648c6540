import type { Options } from '../cli/arguments.js'
import { EXIT, ToolError } from '../cli/exit.js'
import type { Log } from '../cli/messages.js'
import { NTFS_OPTIONS, openNtfsImage } from '../cli/ntfs-image.js'
import type { Tool } from '../cli/tool.js'
import type { DeletedLinks } from '../formats/ntfs/deleted-links.js'
import { isDirectory, type NtfsFile } from '../formats/ntfs/file.js'
import { NAME_INDEX } from '../formats/ntfs/file-index.js'
import { type FoundTarget, findTarget } from '../formats/ntfs/find-target.js'
import { isOrphanage, parseTarget, shownPath, type Target } from '../formats/ntfs/path.js'
import { type TreeBatch, walkOrphans, walkTree } from '../formats/ntfs/tree.js'
import { type NtfsVolume, RECORD } from '../formats/ntfs/volume.js'
import type { Format, FormatParts } from './ntfs/listing.js'
import { printParts } from './printer.js'

/** ntfs-ls: the entries of a directory as its index holds them. */
export const tool: Tool = {
  name: 'ntfs-ls',
  role: 'report',
  usage: 'IMAGE [PATH|RECORD]',
  summary: 'list the files of an NTFS volume',
  options: {
    recursive: { short: 'r', help: 'directories in directories as well' },
    long: { short: 'l', help: 'also what the record of each file tells' },
    json: { help: 'a JSON object a line' },
    bodyfile: { help: 'lines for mactime' },
    deleted: { help: 'also what is no longer in use' },
    slack: { help: 'also old names in the slack of directories' },
    ...NTFS_OPTIONS,
  },
  operands: [1, 2],
  async run({ operands, options, io, log }) {
    const [image, operand = '/'] = operands
    if (options.flag('json') && options.flag('bodyfile'))
      throw new ToolError(EXIT.usage, '--json, --bodyfile: either one or the other')
    let whole = true
    const lost = (what: string) => {
      whole = false
      log.warn(`${image}: ${what}`)
    }
    const findings = countWarnings(log)
    const volume = await openNtfsImage(image!, options, findings.log)
    try {
      const format = await openFormat(options, { volume, long: options.flag('long'), lost })
      const before = findings.count()
      const deleted = options.flag('deleted') ? await readDeleted(volume) : undefined
      if (findings.count() > before) whole = false
      const parts = { volume, options, deleted, format, lost }
      await printParts(io, linesOf(parts, await chooseListing(parts, parseTarget(operand), operand)))
    } finally {
      await volume.close()
    }
    return whole ? EXIT.complete : EXIT.unreadable
  },
}

interface Parts {
  readonly volume: NtfsVolume
  readonly options: Options
  readonly deleted: DeletedLinks | undefined
  readonly format: Format
  /** Told what could not be read. */
  lost(what: string): void
}

async function readDeleted(volume: NtfsVolume): Promise<DeletedLinks> {
  const { readDeletedLinks } = await import('../formats/ntfs/deleted-links.js')
  return readDeletedLinks(volume)
}

/** A log, and how often it has warned. */
function countWarnings(log: Log): { log: Log; count(): number } {
  let count = 0
  return {
    log: {
      ...log,
      warn(message, hint) {
        count++
        log.warn(message, hint)
      },
    },
    count: () => count,
  }
}

async function openFormat(options: Options, parts: FormatParts): Promise<Format> {
  if (options.flag('json')) return (await import('./ntfs/json-lines.js')).jsonLines(parts)
  if (options.flag('bodyfile')) return (await import('./ntfs/bodyfile-lines.js')).bodyfileLines(parts)
  return (await import('./ntfs/table-lines.js')).tableLines(parts)
}

/** What is listed, and what stands before the names of its batches. */
interface Listing {
  readonly folder: string
  readonly batches: AsyncIterable<TreeBatch>
}

async function chooseListing(parts: Parts, target: Target, operand: string): Promise<Listing> {
  const { volume, options, deleted } = parts
  const recursive = options.flag('recursive')
  if (deleted && isOrphanage(target)) return { folder: '', batches: walkOrphans(volume, deleted, recursive) }
  const found = await findTarget(volume, target, deleted && (async () => deleted))
  const { file } = found
  if (!isListed(found)) {
    for (const name of ['recursive', 'slack'])
      if (options.flag(name)) throw new ToolError(EXIT.usage, `${operand}: no directory, for --${name}`)
    return listFile(volume, found)
  }
  const isRoot = file.reference.record === RECORD.ROOT
  return {
    folder: options.flag('bodyfile') && !isRoot ? `${await findFolder(volume, file)}/` : '',
    batches:
      isRoot && recursive && deleted
        ? walkAll(volume, file, deleted)
        : walkTree(volume, file, { recursive, deleted }),
  }
}

async function findFolder(volume: NtfsVolume, file: NtfsFile): Promise<string> {
  const { pathOfFile } = await import('./ntfs/file-entry.js')
  return pathOfFile(volume, file)
}

/** `fls` writes 5-144-1 for a directory. */
const isListed = ({ file, attribute }: FoundTarget) =>
  isDirectory(file) && (attribute === undefined || attribute.name === NAME_INDEX)

async function* walkAll(
  volume: NtfsVolume,
  root: NtfsFile,
  deleted: DeletedLinks,
): AsyncGenerator<TreeBatch> {
  yield* walkTree(volume, root, { deleted })
  yield* walkOrphans(volume, deleted)
}

async function listFile(volume: NtfsVolume, { file, name }: FoundTarget): Promise<Listing> {
  const { findFileEntry } = await import('./ntfs/file-entry.js')
  const { folder, entry } = await findFileEntry(volume, file, name)
  const only = async function* (): AsyncGenerator<TreeBatch> {
    yield { path: [], directory: entry.fileName().parent, entries: [entry] }
  }
  return { folder, batches: only() }
}

async function* linesOf(parts: Parts, { folder: before, batches }: Listing): AsyncGenerator<string> {
  const { format, options, lost } = parts
  const slack = options.flag('slack')
  for await (const { path, directory, entries, end } of batches) {
    const folder = path.length === 0 ? before : `${before}${path.join('/')}/`
    const text = format.entries(folder, entries)
    yield typeof text === 'string' ? text : await text
    if (!end) continue
    if (!end.whole) lost(`${shownPath(path) || 'the root'}: record ${directory.record} is not listed whole`)
    if (slack && end.file) yield* slackLines(parts, folder, end.file)
  }
}

async function* slackLines(
  { volume, format, lost }: Parts,
  folder: string,
  directory: NtfsFile,
): AsyncGenerator<string> {
  const { carveDirectory } = await import('../formats/ntfs/directory-slack.js')
  try {
    for await (const batch of carveDirectory(volume, directory))
      yield batch.map((carved) => format.slack(folder, carved)).join('')
  } catch (error) {
    lost(`${folder}: its slack cannot be read: ${(error as Error).message}`)
  }
}
