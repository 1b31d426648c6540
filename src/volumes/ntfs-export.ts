import { EXIT, ToolError } from '../cli/exit.js'
import { toJson } from '../cli/json.js'
import { NTFS_OPTIONS, openNtfsImage } from '../cli/ntfs-image.js'
import { showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import { openTree } from '../cli/tree.js'
import { FormatError } from '../formats/format-error.js'
import { type DeletedLinks, readDeletedLinks } from '../formats/ntfs/deleted-links.js'
import type { NtfsFile } from '../formats/ntfs/file.js'
import { type FoundTarget, findTarget } from '../formats/ntfs/find-target.js'
import { createPathFinder, pathsOf } from '../formats/ntfs/parent-path.js'
import { isOrphanage, ORPHANS, parseTarget } from '../formats/ntfs/path.js'
import { type NtfsVolume, RECORD } from '../formats/ntfs/volume.js'
import { createBreath } from './breath.js'
import { type Export, lose } from './ntfs/export.js'
import { exportAttribute } from './ntfs/export-file.js'
import { exportOrphans, exportTree } from './ntfs/export-tree.js'
import { createPrinter } from './printer.js'

/** ntfs-export: files and trees of a volume to a folder. */
export const tool: Tool = {
  name: 'ntfs-export',
  role: 'report',
  usage: 'IMAGE INODE|PATH… -C DIR',
  summary: 'write files and trees of an NTFS volume below a folder',
  options: {
    directory: { short: 'C', value: 'DIR', help: 'the folder; created where it is missing' },
    truncate: { short: 't', help: 'replace what is there' },
    deleted: { help: 'also files that are no longer in use' },
    json: { help: 'a JSON object a line for all that is written' },
    ...NTFS_OPTIONS,
  },
  operands: [2, Number.POSITIVE_INFINITY],
  async run(context) {
    const { operands, options, io, log } = context
    const root = options.value('directory')
    if (root === undefined) throw new ToolError(EXIT.usage, '-C DIR is missing')
    const [image, ...named] = operands as [string, ...string[]]
    const volume = await openNtfsImage(image, options, log)
    let links: Promise<DeletedLinks> | undefined
    const readLinks = () => {
      links ??= readDeletedLinks(volume)
      return links
    }
    const deleted = options.flag('deleted') ? readLinks : undefined
    const found = await findTargets(volume, named, deleted)

    const tree = openTree(root, options.flag('truncate'), (message) => log.warn(message))
    const printer = options.flag('json') ? createPrinter(io) : undefined
    let lost = false
    let at = ''
    let bytes = 0n
    const breathe = createBreath(context, () => ({
      line: `${at}: ${showSize(bytes)}`,
      facts: { path: at, bytes: Number(bytes) },
    }))
    const to: Export = {
      volume,
      tree,
      log,
      lost() {
        lost = true
      },
      async written(entry) {
        log.verbose(`${entry.path}: ${entry.file}`)
        await printer?.put(`${toJson(entry)}\n`)
      },
      passed(path, count) {
        at = path
        bytes += count
        return breathe()
      },
    }
    for (const { operand, error } of found.missing) lose(to, operand, error)
    try {
      for (const target of found.targets) await exportTarget(to, target, deleted)
    } finally {
      log.clearProgress()
      // Also after a failure: what stands there is whole, and keeps its times.
      tree.finish(() => {})
      await printer?.end()
    }
    return lost ? EXIT.unreadable : EXIT.complete
  },
}

interface Target {
  readonly operand: string
  /** undefined: all orphans. */
  readonly found: FoundTarget | undefined
}

/** @throws {FormatError} when none of them is there */
async function findTargets(
  volume: NtfsVolume,
  operands: readonly string[],
  deleted: (() => Promise<DeletedLinks>) | undefined,
) {
  const targets: Target[] = []
  const missing: { operand: string; error: unknown }[] = []
  for (const operand of operands)
    try {
      targets.push({ operand, found: await find(volume, operand, deleted) })
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      missing.push({ operand, error })
    }
  if (targets.length === 0) throw missing[0]!.error
  return { targets, missing }
}

function find(
  volume: NtfsVolume,
  operand: string,
  deleted: (() => Promise<DeletedLinks>) | undefined,
): Promise<FoundTarget> | undefined {
  const target = parseTarget(operand)
  return deleted && isOrphanage(target) ? undefined : findTarget(volume, target, deleted)
}

async function exportTarget(
  to: Export,
  { operand, found }: Target,
  deleted: (() => Promise<DeletedLinks>) | undefined,
): Promise<void> {
  if (!found) {
    if (deleted) await exportOrphans(to, await deleted())
    return
  }
  const { file, attribute } = found
  const path = await findPath(to.volume, file, operand)
  if (!attribute) await exportTree(to, file, path, deleted)
  else await exportAttribute(to, file, path, attribute)
}

/** Of the paths of a file the one that was asked for, else the first. */
async function findPath(volume: NtfsVolume, file: NtfsFile, operand: string): Promise<readonly string[]> {
  const { record } = file.reference
  if (record === RECORD.ROOT) return []
  const paths = await pathsOf(file, createPathFinder(volume))
  const plain = (text: string) =>
    text
      .replaceAll('\\', '/')
      .replace(/^\/+|\/+$/g, '')
      .toLowerCase()
  const wanted = plain(operand)
  const path = paths.find(({ names }) => plain(names.join('/')) === wanted) ?? paths[0]
  if (!path) return [ORPHANS, `record ${record}`]
  return path.state === 'orphan' ? [ORPHANS, ...path.names] : path.names
}
