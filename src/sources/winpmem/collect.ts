import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import { openImage } from '../../formats/image/open-image.js'
import type { Batch, NoteBody } from '../../frames/frame.js'
import { LOCAL_FILES } from '../../platform/system-files.js'
import { pageFiles } from '../../platform/windows/page-files.js'
import type { Win32 } from '../../platform/windows/win32.js'
import { helperStreams } from '../helper-files.js'
import { kernelFiles } from './kernel-files.js'
import { type PageFile, pageFileStream } from './page-file-stream.js'

type Registry = Pick<Win32, 'registryValue'>

export interface Collection {
  /** Id of the first stream. */
  readonly firstId: number
  /** Named in notes. */
  readonly program: string
  readonly log: Log
  readonly batchesAlive?: number | undefined
}

/** Where Windows puts its store apps; the registry does not name it. */
const SWAP_FILE = 'swapfile.sys'

/**
 * What belongs to a memory: page files, which change as fast, then the kernel and the drivers. What can't be had is told
 * in a NOTE.
 * @param open opens a volume by the name of its device
 */
export async function* collect(
  registry: Registry,
  { firstId, program, log, batchesAlive }: Collection,
  open: PageFile['open'] = openImage,
): AsyncGenerator<Batch> {
  const note = (level: NoteBody['level'], message: string): Batch => {
    if (level === 'warning') log.warn(message)
    return [{ type: 'note', stream: 0, time: 0n, body: { level, program, message } }]
  }
  let stream = firstId
  const { files, failure } = listPageFiles(registry)
  if (failure !== undefined) yield note('warning', `page files: ${reasonOf(failure)}`)
  for (const { path, number } of files) {
    let begun = false
    try {
      for await (const batch of pageFileStream({ path, number, open, stream, program, batchesAlive })) {
        begun = true
        yield batch
      }
      stream++
    } catch (error) {
      if (begun) throw error
      yield note(number === undefined ? 'info' : 'warning', `${path}: ${reasonOf(error)}`)
    }
  }
  yield* helperStreams(LOCAL_FILES, [], kernelFiles(), stream, program, batchesAlive)
}

/** Page files in the order of their numbers, and the swap file, which may not be there. */
function listPageFiles(registry: Registry): {
  files: Pick<PageFile, 'path' | 'number'>[]
  failure?: unknown
} {
  try {
    const files = pageFiles(registry).map((path, number) => ({ path, number }))
    const [first] = files
    if (!first || files.some(({ path }) => path.toLowerCase().endsWith(SWAP_FILE))) return { files }
    const drive = process.env.SystemDrive ?? first.path.slice(0, 'C:'.length)
    return { files: [...files, { path: `${drive}\\${SWAP_FILE}`, number: undefined }] }
  } catch (failure) {
    return { files: [], failure }
  }
}
