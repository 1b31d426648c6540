import { openImage } from '../formats/image/open-image.js'
import { type OpenedVolume, openNtfs } from '../formats/ntfs/open.js'
import type { Options, OptionTable } from './arguments.js'
import { EXIT, ToolError } from './exit.js'
import type { Log } from './messages.js'
import { SECRET_OPTIONS, secretsOf } from './secret.js'
import { parseSize } from './sizes.js'

/** Of every tool that reads an NTFS volume. */
export const NTFS_OPTIONS: OptionTable = {
  offset: { value: 'SIZE', help: 'where the volume begins in the image' },
  snapshot: { value: 'N', help: 'a shadow copy instead: 1 is the oldest' },
  ...SECRET_OPTIONS,
}

/**
 * Opens the volume in an image. What is wrong with it is warned of, once each.
 * @throws {ToolError} usage
 */
export async function openNtfsImage(path: string, options: Options, log: Log): Promise<OpenedVolume> {
  const offset = options.value('offset')
  const snapshot = options.value('snapshot')
  if (snapshot !== undefined && !/^[1-9]\d{0,3}$/.test(snapshot))
    throw new ToolError(EXIT.usage, `--snapshot ${snapshot}: not the number of a shadow copy`)
  const warn = (message: string) => log.warn(`${path}: ${message}`)
  const image = await openImage(path, { secrets: secretsOf(options), warn })
  const choice = {
    offset: offset === undefined ? undefined : BigInt(parseSize(offset)),
    snapshot: snapshot === undefined ? undefined : Number(snapshot),
  }
  return openNtfs(image, choice, ({ message }) => warn(message))
}
