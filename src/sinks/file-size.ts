import fs from 'node:fs'
import { EXIT, ToolError } from '../cli/exit.js'
import { reasonOf } from '../cli/failure.js'
import type { Output } from '../cli/output.js'
import { showSize } from '../cli/sizes.js'
import { MOST_FILE_SIZE } from '../platform/file-size.js'
import { openNameless } from '../platform/nameless-file.js'

/**
 * Asks the file system, before the first byte, whether it has files of that size. It is asked for a file without a name:
 * of the output's own, zeros could stay that look like an image.
 * @param output anything but a regular file is not asked
 * @throws {ToolError} with the hint where it has none
 */
export function refuseUnlessHeld(output: Output, size: bigint, hint: string): void {
  if (!output.seekable) return
  if (size > MOST_FILE_SIZE) throw tooLarge(output.name, size, hint)
  let fd: number | undefined
  try {
    fd = openNameless(output.path, 'probe')
    fs.ftruncateSync(fd, Number(size))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EFBIG' || code === 'EINVAL') throw tooLarge(output.name, size, hint, error)
    throw new ToolError(EXIT.io, `${output.path}: ${reasonOf(error)}`, { cause: error })
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

export function tooLarge(name: string, size: bigint, hint: string, cause?: unknown): ToolError {
  const message = `${name}: the file system has no files of ${showSize(size)}, which its addresses need`
  return new ToolError(EXIT.cannotCreate, message, { hint, cause })
}
