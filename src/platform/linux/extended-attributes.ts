import { type Libc, loadLibc } from './libc.js'

/** xattr(7): a name is up to 255 bytes, `user.comment`; a value up to 64 KiB of anything. */
export interface ExtendedAttribute {
  readonly name: Buffer
  readonly value: Buffer
}

/** Calls of xattr(7), which Node lacks. None follows a link at the end of a path. */
export interface ExtendedAttributes {
  /**
   * Those that the caller may see, in the order of the file system; none where that keeps none.
   * @param file a path, or an open descriptor
   * @throws the operating system's error
   */
  read(file: Buffer | number): ExtendedAttribute[]
  /** @throws the operating system's error */
  write(path: Buffer, attribute: ExtendedAttribute): void
}

/** What a kernel gives at most. */
const LARGEST = 64 << 10

/** @returns undefined where koffi is not installed */
export function openExtendedAttributes(): ExtendedAttributes | undefined {
  const libc = loadLibc()
  return libc && callsOf(libc)
}

function callsOf(libc: Libc): ExtendedAttributes {
  const list = libc.func('long llistxattr(const uint8_t *path, _Out_ uint8_t *list, size_t size)')
  const listOpen = libc.func('long flistxattr(int fd, _Out_ uint8_t *list, size_t size)')
  const get = libc.func(
    'long lgetxattr(const uint8_t *path, const uint8_t *name, _Out_ uint8_t *value, size_t size)',
  )
  const getOpen = libc.func('long fgetxattr(int fd, const uint8_t *name, _Out_ uint8_t *value, size_t size)')
  const set = libc.func(
    'int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)',
  )
  const room = Buffer.alloc(LARGEST)

  /** Undefined where there is nothing of that kind. */
  function filled(length: number, syscall: string): Buffer | undefined {
    if (length >= 0) return room.subarray(0, length)
    const error = libc.error(syscall)
    if (['ENODATA', 'ENOTSUP', 'EOPNOTSUPP'].includes(error.code ?? '')) return undefined
    throw error
  }

  return {
    read(file) {
      const open = typeof file === 'number'
      const path = open ? undefined : terminated(file)
      const size = BigInt(LARGEST)
      const names = filled(open ? listOpen(file, room, size) : list(path, room, size), 'listxattr')
      if (!names || names.length === 0) return []
      return split(names).flatMap((name) => {
        const key = terminated(name)
        const length = open ? getOpen(file, key, room, size) : get(path, key, room, size)
        const value = filled(length, 'getxattr')
        // It went away meanwhile.
        return value ? [{ name, value: Buffer.from(value) }] : []
      })
    },
    write(path, { name, value }) {
      if (set(terminated(path), terminated(name), value, BigInt(value.length), 0) !== 0)
        throw libc.error('setxattr')
    },
  }
}

const terminated = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(1)])

/** Names that end with a NUL each. */
function split(list: Buffer): Buffer[] {
  const names: Buffer[] = []
  for (let at = 0; at < list.length; ) {
    const end = list.indexOf(0, at)
    if (end < 0) break
    names.push(Buffer.from(list.subarray(at, end)))
    at = end + 1
  }
  return names
}
