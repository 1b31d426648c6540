import { closeSync, constants, openSync } from 'node:fs'

/** PATH_MAX: what the kernel takes as one path, with the NUL behind it. */
const PATH_MAX = 4096
/** Where it ends all the same: who walks that deep remembers each path on the way down. */
const LONGEST = 10 << 10
const SLASH = 0x2f

/**
 * Does something with a path of up to 10 KiB: of one that is longer than the kernel takes, the folders on the way are
 * opened, and the rest stands below the last of them. Folders lie that deep when somebody hides something in them.
 * @param act is given a path that holds as long as it runs
 * @throws what `act` throws, and what opening a folder does
 */
export function withinReach<T>(path: Buffer, act: (path: Buffer) => T): T {
  let folder: number | undefined
  let above = Buffer.alloc(0)
  let rest = path
  try {
    while (above.length + rest.length >= PATH_MAX && path.length <= LONGEST) {
      const cut = rest.lastIndexOf(SLASH, PATH_MAX - 2 - above.length)
      // A name that no file system has: the kernel says so, as of a path that is longer.
      if (cut <= 0) break
      const next = openFolder(Buffer.concat([above, rest.subarray(0, cut)]))
      if (folder !== undefined) closeSync(folder)
      folder = next
      above = Buffer.from(`/proc/self/fd/${next}`)
      rest = rest.subarray(cut)
    }
    return act(above.length > 0 ? Buffer.concat([above, rest]) : path)
  } finally {
    if (folder !== undefined) closeSync(folder)
  }
}

function openFolder(path: Buffer): number {
  const { O_RDONLY, O_DIRECTORY = 0, O_NOFOLLOW = 0 } = constants
  return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
}
