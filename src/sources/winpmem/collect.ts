import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import { openImage } from '../../formats/image/open-image.js'
import type { Batch } from '../../frames/frame.js'
import { pageFiles } from '../../platform/windows/page-files.js'
import type { Win32 } from '../../platform/windows/win32.js'
import { helperStreams } from '../helper-files.js'
import { kernelFiles } from './kernel-files.js'
import { type PageFile, pageFileStream } from './page-file-stream.js'

export interface Collection {
  /** Id of the first stream. */
  readonly firstId: number
  /** Named in notes. */
  readonly program: string
  readonly log: Log
  readonly batchesAlive?: number | undefined
}

type Registry = Pick<Win32, 'registryValue'>

/** What Windows puts beside page files for its store apps; the registry gives it no number. */
const SWAP_FILE = 'swapfile.sys'

/**
 * What belongs to a memory: page files, which change as fast, then the kernel and the drivers. What can't be had is told
 * in a NOTE.
 * @param open opens a volume by the name of its device
 */
export async function* collect(
  win32: Registry,
  { firstId, program, log, batchesAlive }: Collection,
  open: PageFile['open'] = openImage,
): AsyncGenerator<Batch> {
  const missing = (what: string, error: unknown): Batch => {
    const message = `${what}: ${reasonOf(error)}`
    log.warn(message)
    return [{ type: 'note', stream: 0, time: 0n, body: { level: 'warning', program, message } }]
  }
  let stream = firstId
  let files: ReturnType<typeof swappedTo> = []
  try {
    files = swappedTo(win32)
  } catch (error) {
    yield missing('page files', error)
  }
  for (const [path, number] of files) {
    let begun = false
    try {
      for await (const batch of pageFileStream({ path, number, open, stream, program, batchesAlive })) {
        begun = true
        yield batch
      }
      stream++
    } catch (error) {
      if (begun) throw error
      yield missing(path, error)
    }
  }
  yield* helperStreams([], kernelFiles(), stream, program, batchesAlive)
}

/** Page files with their numbers, and the swap file beside the first. */
function swappedTo(win32: Registry): [path: string, number: number | undefined][] {
  const files = pageFiles(win32)
  const numbered = files.map((path, number): [string, number] => [path, number])
  const [first] = files
  if (first === undefined || files.some((path) => path.toLowerCase().endsWith(SWAP_FILE))) return numbered
  return [...numbered, [`${first.slice(0, 'C:'.length)}\\${SWAP_FILE}`, undefined]]
}
