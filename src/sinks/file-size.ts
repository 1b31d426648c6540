import { EXIT, ToolError } from '../cli/exit.js'
import type { Output } from '../cli/output.js'
import { showSize } from '../cli/sizes.js'
import { MOST_FILE_SIZE } from '../platform/file-size.js'

/**
 * Asks the file system, before the first byte, whether it has files of that size.
 * @param output empty; anything but a regular file is not asked
 * @throws {ToolError} with the hint where it has none
 */
export async function refuseUnlessHeld(output: Output, size: bigint, hint: string): Promise<void> {
  if (!output.seekable) return
  if (size > MOST_FILE_SIZE) throw tooLarge(output.name, size, hint)
  try {
    await output.truncate(size)
  } catch (error) {
    const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code
    throw code === 'EFBIG' || code === 'EINVAL' ? tooLarge(output.name, size, hint, error) : error
  }
  await output.truncate(0n)
}

export function tooLarge(name: string, size: bigint, hint: string, cause?: unknown): ToolError {
  const message = `${name}: the file system has no files of ${showSize(size)}, which its addresses need`
  return new ToolError(EXIT.cannotCreate, message, { hint, cause })
}
