import fs, { type BigIntStats } from 'node:fs'
import type { Bytes } from '../formats/byte-source.js'
import { MOST_FILE_SIZE } from '../platform/file-size.js'
import { type ExtendedAttribute, openExtendedAttributes } from '../platform/linux/extended-attributes.js'
import { type FileTimes, setFileTimes } from '../platform/linux/file-times.js'
import { withinReach } from '../platform/linux/long-path.js'
import { openFileSystemSync } from '../platform/linux/sync-file-system.js'
import { EXIT, ToolError } from './exit.js'
import { asToolError, reasonOf } from './failure.js'
import { insertInName, type TreePath } from './tree-path.js'

/** What can be given to a file besides its bytes. */
export interface TreeFacts {
  /** Permissions with set-user-ID, set-group-ID and sticky. */
  readonly mode?: number
  readonly owner?: { readonly uid: number; readonly gid: number }
  readonly times?: FileTimes
  readonly attributes: readonly ExtendedAttribute[]
  /** The same for all names of one file; only where it has several. */
  readonly identity?: string
}

/** A file below the folder, under its partial name until `commit`. */
export interface TreeFile {
  /** Where it is now, for messages. */
  readonly path: string
  /** Where it will be. */
  readonly final: Buffer
  /** Whether the file system has files of that size; to be asked of an empty one. */
  holds(size: bigint): boolean
  /** @throws the operating system's error */
  writeAt(offset: bigint, bytes: Bytes): void
  /**
   * Gives it its size, its facts and its final name.
   * @param content a digest of its bytes, to find another name of the same file by
   */
  commit(size: bigint, facts: TreeFacts, content: string | undefined): void
  /** Leaves what there is under the partial name. */
  leave(size: bigint): void
}

/** Puts files, folders and links below one folder, and nothing anywhere else. */
export interface Tree {
  /** Whether anything was created. */
  readonly touched: boolean
  file(path: TreePath): TreeFile
  /** @returns where it is */
  folder(path: TreePath, facts: TreeFacts): Buffer
  /**
   * Gives a file that was committed with this identity a further name.
   * @returns where it is; undefined when there is no such file, or it can have no further name
   */
  again(path: TreePath, identity: string): Buffer | undefined
  link(path: TreePath, target: Buffer, facts: TreeFacts): void
  /**
   * Creates the links, then gives the folders their facts: the other way round they would not last.
   * @param onFailure told of links that could not be made
   */
  finish(onFailure: (path: string, error: unknown) => void): void
}

/**
 * @param root the folder; it is created where it is missing
 * @param replace whether files and links that are there may be replaced
 * @param warn told what could not be given to a file, once for each kind
 */
export function openTree(root: string, replace: boolean, warn: (message: string) => void): Tree {
  const attributes = openExtendedAttributes()
  const syncAll = openFileSystemSync()
  let base: Buffer | undefined
  /** Folders that are known to be none but folders. */
  let entered: KnownFolder | undefined
  let remembered = 0
  /** What was created here, by device and inode: names may be the same without being equal. */
  const made = new Set<string>()
  const names = new Map<string, { path: Buffer; content: string }>()
  /** Where links will be. */
  const reserved = new Set<string>()
  const links: { path: Buffer; target: Buffer; facts: TreeFacts }[] = []
  const finished: { path: Buffer; facts: TreeFacts }[] = []
  const complained = new Set<string>()

  function openRoot(): Buffer {
    if (base) return base
    try {
      fs.mkdirSync(root, { recursive: true, mode: 0o700 })
      base = fs.realpathSync(root, 'buffer')
    } catch (error) {
      throw new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })
    }
    return base
  }

  function note(path: Buffer): Buffer {
    made.add(identityOf(withinReach(path, (at) => fs.lstatSync(at, { bigint: true }))))
    return path
  }

  /** The folder of a path; each step is looked at, so that no link leads elsewhere. */
  function enter(components: readonly Buffer[]): Buffer {
    if (!entered || remembered > MOST_REMEMBERED) {
      entered = { path: openRoot(), below: new Map() }
      remembered = 0
    }
    let folder = entered
    for (const component of components) {
      const name = component.toString('latin1')
      let next = folder.below.get(name)
      if (!next) {
        next = { path: makeFolder(folder.path, component), below: new Map() }
        folder.below.set(name, next)
        remembered += next.path.length + ASIDE
      }
      folder = next
    }
    return folder.path
  }

  function makeFolder(parent: Buffer, name: Buffer): Buffer {
    for (let attempt = 1; ; attempt++) {
      const path = join(parent, numbered(name, attempt))
      if (reserved.has(path.toString('latin1'))) continue
      const there = look(path)
      if (there?.isDirectory() && !there.isSymbolicLink()) return path
      if (there && made.has(identityOf(there))) continue
      clear(path)
      withinReach(path, (at) => fs.mkdirSync(at, { mode: 0o700 }))
      return note(path)
    }
  }

  /** A name in a folder that is free, or will be once `clear` has been there. */
  function free(parent: Buffer, name: Buffer, mark?: string): Buffer {
    for (let attempt = 1; ; attempt++) {
      const path = join(parent, numbered(name, attempt, mark))
      if (reserved.has(path.toString('latin1'))) continue
      const there = look(path)
      if (there && (made.has(identityOf(there)) || there.isDirectory())) continue
      if (there && !replace) throw exists(path)
      return path
    }
  }

  function clear(path: Buffer): void {
    if (!look(path)) return
    if (!replace) throw exists(path)
    withinReach(path, fs.unlinkSync)
  }

  const exists = (path: Buffer) =>
    new ToolError(EXIT.cannotCreate, `${path}: file exists`, { hint: '-t replaces what is there' })

  /** Does what may not be allowed; the first time it is not, that is said. */
  function attempt(what: string, path: Buffer, act: () => void): boolean {
    try {
      act()
      return true
    } catch (error) {
      if (!complained.has(what)) warn(`${path}: ${what} not restored: ${reasonOf(error)}; others neither`)
      complained.add(what)
      return false
    }
  }

  const give = (path: Buffer, facts: TreeFacts, isLink = false) =>
    withinReach(path, (at) => giveTo(at, path, facts, isLink))

  function giveTo(at: Buffer, path: Buffer, facts: TreeFacts, isLink: boolean): void {
    const { owner, mode, times } = facts
    const owned =
      owner !== undefined && attempt('owners', path, () => fs.lchownSync(at, owner.uid, owner.gid))
    if (facts.attributes.length > 0 && !attributes) {
      if (!complained.has('attributes'))
        warn(`${path}: extended attributes not restored: koffi is not installed`)
      complained.add('attributes')
    }
    for (const attribute of attributes ? facts.attributes : [])
      if (owned || !attribute.name.equals(CAPABILITIES))
        attempt(`extended attributes (${attribute.name})`, path, () => attributes!.write(at, attribute))
    // Whoever owns it now was not meant to be what others run it as.
    const permissions = mode === undefined ? undefined : owned ? mode : mode & 0o1777
    if (permissions !== undefined && !isLink)
      attempt('permissions', path, () => chmodUnfollowed(at, permissions))
    if (times) attempt('times', path, () => setFileTimes(at, times))
  }

  /** Gives a file or link that is here already another name, where it has the same content. */
  function isLinked(path: Buffer, { identity }: TreeFacts, content: string | undefined): boolean {
    const other = identity === undefined ? undefined : names.get(identity)
    if (!other || content !== other.content) return false
    clear(path)
    try {
      both(other.path, path, fs.linkSync)
      return true
    } catch {
      // Not every file system has such, and none has as many as one likes.
      return false
    }
  }

  function known(path: Buffer, { identity }: TreeFacts, content: string | undefined): void {
    if (identity !== undefined && content !== undefined) names.set(identity, { path, content })
  }

  function openFile({ components, mark }: TreePath): TreeFile {
    const name = components.at(-1)!
    const parent = enter(components.slice(0, -1))
    const final = free(parent, name, mark)
    const partial = free(parent, insertInName(name, '.partial'), mark)
    clear(partial)
    const fd = withinReach(partial, (at) => fs.openSync(at, 'wx', 0o600))
    note(partial)

    function close(size: bigint): void {
      try {
        fs.ftruncateSync(fd, Number(size))
        if (!syncAll) fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
    }

    return {
      path: String(partial),
      final,
      holds(size) {
        if (size > MOST_FILE_SIZE) return false
        try {
          fs.ftruncateSync(fd, Number(size))
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException
          if (code === 'EFBIG' || code === 'EINVAL') return false
          throw error
        }
        fs.ftruncateSync(fd, 0)
        return true
      },
      writeAt(offset, bytes) {
        for (let done = 0; done < bytes.length; )
          done += fs.writeSync(fd, bytes, done, bytes.length - done, Number(offset) + done)
      },
      commit(size, facts, content) {
        close(size)
        if (isLinked(final, facts, content)) {
          withinReach(partial, fs.unlinkSync)
          return
        }
        give(partial, facts)
        both(partial, final, fs.renameSync)
        known(final, facts, content)
      },
      leave: close,
    }
  }

  return {
    get touched() {
      return base !== undefined
    },
    file: openFile,
    folder({ components }, facts) {
      const path = enter(components)
      finished.push({ path, facts })
      return path
    },
    again({ components, mark }, identity) {
      const other = names.get(identity)
      if (!other) return undefined
      const path = free(enter(components.slice(0, -1)), components.at(-1)!, mark)
      return isLinked(path, { attributes: [], identity }, other.content) ? path : undefined
    },
    link({ components }, target, facts) {
      const path = free(enter(components.slice(0, -1)), components.at(-1)!)
      reserved.add(path.toString('latin1'))
      links.push({ path, target, facts })
    },
    finish(onFailure) {
      const sync = base && syncAll?.(base)
      for (const { path, target, facts } of links)
        try {
          const content = LINKS_LINK ? `to ${target.toString('latin1')}` : undefined
          if (isLinked(path, facts, content)) continue
          clear(path)
          withinReach(path, (at) => fs.symlinkSync(target, at))
          give(path, facts, true)
          known(path, facts, content)
        } catch (error) {
          onFailure(String(path), error)
        }
      // What is deeper comes first: a folder's facts may shut it.
      finished.sort((a, b) => depth(b.path) - depth(a.path))
      for (const { path, facts } of finished) give(path, facts)
      sync?.()
    },
  }
}

/** What is wrong with the disk, and not with one name or file. */
const OF_DISK = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'])

/**
 * Why something could not be put into a tree that is no reason to lose the rest.
 * @throws all other failures: of the disk, and those that no operating system has
 */
export function reasonOfOne(error: unknown): string {
  const code = error instanceof ToolError ? undefined : (error as NodeJS.ErrnoException).code
  if (code === undefined) throw error
  if (OF_DISK.has(code)) throw new ToolError(EXIT.io, asToolError(error).message, { cause: error })
  return reasonOf(error)
}

/** Below the folder that a path leads to, by the names that were asked for. */
interface KnownFolder {
  readonly path: Buffer
  readonly below: Map<string, KnownFolder>
}

/** Bytes of paths, and what one takes aside from them. What is forgotten is found again. */
const MOST_REMEMBERED = 64 << 20
const ASIDE = 256

const identityOf = ({ dev, ino }: BigIntStats) => `${dev} ${ino}`

function look(path: Buffer): BigIntStats | undefined {
  return withinReach(path, (at) => fs.lstatSync(at, { bigint: true, throwIfNoEntry: false }))
}

const both = (from: Buffer, to: Buffer, act: (from: Buffer, to: Buffer) => void) =>
  withinReach(from, (near) => withinReach(to, (at) => act(near, at)))

const SLASH = Buffer.from('/')
/** They let a program do what its owner may not, as set-user-ID does. */
const CAPABILITIES = Buffer.from('security.capability')
const join = (parent: Buffer, name: Buffer) => Buffer.concat([parent, SLASH, name])

function depth(path: Buffer): number {
  let slashes = 0
  for (const byte of path) if (byte === 0x2f) slashes++
  return slashes
}

/** The name itself, then `name~2`; or, where something tells the thing from others, `name~MARK` and `name~MARK~3`. */
function numbered(name: Buffer, attempt: number, mark?: string): Buffer {
  if (attempt === 1) return name
  const number = mark === undefined || attempt > 2 ? [attempt] : []
  return insertInName(name, ['', ...(mark === undefined ? [] : [mark]), ...number].join('~'))
}

/** Whether a link can have two names itself; elsewhere another name would be one of what it leads to. */
const LINKS_LINK = process.platform === 'linux'

function chmodUnfollowed(path: Buffer, mode: number): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  try {
    fs.fchmodSync(fd, mode)
  } finally {
    fs.closeSync(fd)
  }
}
