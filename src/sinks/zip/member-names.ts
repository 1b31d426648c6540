import { insertBeforeExtension } from '../../platform/name-extension.js'
import { nameDigest, portableName, shortened } from '../../platform/portable-name.js'

/** A member's name has 16 bits for its length. */
const LONGEST = 4096

/** The name of a member, and the one it takes when its stream turns out not to be whole. */
export interface MemberNames {
  readonly name: string
  /** Longer by 8 bytes. */
  readonly partial: string
  /** It is not the name that the stream has. */
  readonly changed: boolean
}

/**
 * Gives names to members: none leads out of the folder they are unpacked to, none is given twice, also where capitals
 * count for nothing.
 */
export function createNaming(): {
  file(stream: string): MemberNames
  /** The stream is whole: its other name is free. */
  whole(names: MemberNames): void
  /** Undefined for one that is there already. */
  folder(stream: string): string | undefined
} {
  /** As a file system sees them that knows no capitals. */
  const files = new Set<string>()
  const folders = new Set<string>()
  const entered = new Set<string>()

  /** The same path, its components numbered where a file stands in the way. */
  function below(parts: readonly string[]): string {
    let path = ''
    for (const part of parts) {
      let attempt = 1
      while (files.has(folded(path + numbered(part, attempt)))) attempt++
      path += numbered(part, attempt)
      folders.add(folded(path))
      path += '/'
    }
    return path
  }

  const isTaken = (path: string) => files.has(folded(path)) || folders.has(folded(path))

  return {
    file(stream) {
      const { parts, changed } = safeParts(stream)
      const folder = below(parts.slice(0, -1))
      const base = parts.at(-1) ?? 'unnamed'
      let attempt = 1
      const names = () => {
        const name = numbered(base, attempt)
        return [folder + name, folder + insertBeforeExtension(name, '.partial')] as const
      }
      while (names().some(isTaken)) attempt++
      const [name, partial] = names()
      files.add(folded(name))
      files.add(folded(partial))
      return { name, partial, changed: changed || parts.length === 0 || attempt > 1 }
    },
    whole({ partial }) {
      files.delete(folded(partial))
    },
    folder(stream) {
      const { parts } = safeParts(stream)
      const path = below(parts).slice(0, -1)
      if (path === '' || entered.has(path)) return undefined
      entered.add(path)
      return path
    },
  }
}

const folded = (path: string) => path.normalize('NFC').toLowerCase()

/** A component may be unpacked on any system. */
function safeParts(stream: string): { parts: string[]; changed: boolean } {
  if (stream.length > LONGEST) return { parts: [oneName(stream, stream.slice(-100))], changed: true }
  const windows = /^([A-Za-z]:\\|\\\\)/.test(stream)
  const wanted = (windows ? stream.replaceAll('\\', '/') : stream)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
  const parts = wanted.map((part) =>
    shortened(Buffer.from(portableName(part === '..' ? '%2E%2E' : part))).toString(),
  )
  if (Buffer.byteLength(parts.join('/'), 'utf8') > LONGEST)
    return { parts: [oneName(stream, parts.at(-1)!)], changed: true }
  return { parts, changed: parts.some((part, index) => part !== wanted[index]) }
}

/** For a path that is too long: something of its end. */
function oneName(stream: string, end: string): string {
  return portableName(`${end.split('/').at(-1)!.slice(0, 100)}~${nameDigest(stream)}`)
}

const numbered = (name: string, attempt: number) =>
  attempt === 1 ? name : insertBeforeExtension(name, `~${attempt}`)
