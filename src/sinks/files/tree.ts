import fs, { type BigIntStats } from 'node:fs'
import { EXIT, ToolError } from '../../cli/exit.js'
import { asToolError, reasonOf } from '../../cli/failure.js'
import type { Bytes } from '../../formats/byte-source.js'
import { openExtendedAttributes } from '../../platform/linux/extended-attributes.js'
import { setFileTimes } from '../../platform/linux/file-times.js'
import { withinReach } from '../../platform/linux/long-path.js'
import { openFileSystemSync } from '../../platform/linux/sync-file-system.js'
import type { RestoredFacts } from './restored-facts.js'
import { insertBeforeExtension, type SafePath } from './safe-path.js'

/** A file below the folder, under its partial name until `commit`. */
export interface TreeFile {
  /** Where it is now, for messages. */
  readonly path: string
  /** @throws the operating system's error */
  writeAt(offset: bigint, bytes: Bytes): void
  /**
   * Gives it its size, its facts and its final name.
   * @param content a digest of its bytes, to find another name of the same file by
   */
  commit(size: bigint, facts: RestoredFacts, content: string | undefined): void
  /** Leaves what there is under the partial name. */
  leave(size: bigint): void
}

/** Puts files, folders and links below one folder, and nothing anywhere else. */
export interface Tree {
  /** Whether anything was created. */
  readonly touched: boolean
  file(path: SafePath): TreeFile
  folder(path: SafePath, facts: RestoredFacts): void
  link(path: SafePath, target: Buffer, facts: RestoredFacts): void
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
  /** Folders that are known to be none but folders, by the path that was asked for. */
  const folders = new Map<string, Buffer>()
  let remembered = 0
  /** What was created here, by device and inode: names may be the same without being equal. */
  const made = new Set<string>()
  const names = new Map<string, { path: Buffer; content: string }>()
  /** Where links will be. */
  const reserved = new Set<string>()
  const links: { path: Buffer; target: Buffer; facts: RestoredFacts }[] = []
  const finished: { path: Buffer; facts: RestoredFacts }[] = []
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
    let path = openRoot()
    let asked = ''
    for (const component of components) {
      asked += `/${component.toString('latin1')}`
      const known = folders.get(asked)
      path = known ?? makeFolder(path, component)
      if (known) continue
      remembered += 2 * path.length
      if (remembered > MOST_REMEMBERED) {
        folders.clear()
        remembered = 0
      }
      folders.set(asked, path)
    }
    return path
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
  function free(parent: Buffer, name: Buffer): Buffer {
    for (let attempt = 1; ; attempt++) {
      const path = join(parent, numbered(name, attempt))
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

  const give = (path: Buffer, facts: RestoredFacts, isLink = false) =>
    withinReach(path, (at) => giveTo(at, path, facts, isLink))

  function giveTo(at: Buffer, path: Buffer, facts: RestoredFacts, isLink: boolean): void {
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
  function isLinked(path: Buffer, { identity }: RestoredFacts, content: string | undefined): boolean {
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

  function known(path: Buffer, { identity }: RestoredFacts, content: string | undefined): void {
    if (identity !== undefined && content !== undefined) names.set(identity, { path, content })
  }

  function openFile({ components }: SafePath): TreeFile {
    const name = components.at(-1)!
    const parent = enter(components.slice(0, -1))
    const final = free(parent, name)
    const partial = free(parent, insertBeforeExtension(name, '.partial'))
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
      finished.push({ path: enter(components), facts })
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

/** Bytes of paths. What is forgotten is found again. */
const MOST_REMEMBERED = 64 << 20

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

/** The name itself, then `name~2`. */
const numbered = (name: Buffer, attempt: number) =>
  attempt === 1 ? name : insertBeforeExtension(name, `~${attempt}`)

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
