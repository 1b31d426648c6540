/** How Interix, and ntfs-3g after it, keeps a symlink: a system file of these bytes and a target in UTF-16LE. */
const SIGNATURE = Buffer.from('IntxLNK\x01', 'latin1')
/** Linux takes no longer paths. */
const LONGEST_TARGET = 2 * 4096

/** Bytes of the unnamed stream that decodeInterixLink must see at most. */
export const INTERIX_LINK_SIZE = SIGNATURE.length + LONGEST_TARGET

/** @returns the target as found; undefined when the file is no symlink */
export function decodeInterixLink(data: Buffer): string | undefined {
  if (data.length > INTERIX_LINK_SIZE || !data.subarray(0, SIGNATURE.length).equals(SIGNATURE))
    return undefined
  return data.toString('utf16le', SIGNATURE.length)
}
