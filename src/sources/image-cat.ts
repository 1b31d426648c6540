import path from 'node:path'
import { ToolError } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import { FORMAT_OPTION, formatOf } from '../cli/image-format.js'
import type { Log } from '../cli/messages.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import type { Tool } from '../cli/tool.js'
import type { Secrets } from '../formats/aff4/encryption/unlock.js'
import type { Image } from '../formats/image/image.js'
import { openImageFile } from '../formats/image/image-file.js'
import { isAff4Image } from '../formats/image/open-image.js'
import type { Batch } from '../frames/frame.js'
import { catVolumes } from './aff4-cat.js'
import { imageToFrames } from './image/image-frames.js'
import { imageStream } from './image-stream.js'

/** image-cat: images of memory and of disks, in any format that is read. */
export const tool: Tool = {
  name: 'image-cat',
  role: 'source',
  usage: 'FILE…',
  summary: 'send memory and disk images, in any format that this toolkit reads',
  options: {
    ...FORMAT_OPTION,
    ...SECRET_OPTIONS,
  },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, io, log, secrets = secretsOf(options) }) {
    const format = formatOf(options)
    return io.transmit(
      catImages({
        log,
        files: operands,
        format,
        secrets,
        program: tool.name,
        batchesAlive: io.batchesAlive,
        interrupted: io.interrupted,
      }),
    )
  },
}

export interface CatImages {
  readonly log: Log
  readonly files: readonly string[]
  readonly format: string | undefined
  readonly secrets: Secrets
  /** Named in notes. */
  readonly program: string
  readonly batchesAlive: number
  readonly interrupted: AbortSignal
}

/**
 * The images in files, a stream each, and what goes along with them. Files that are parts of the one before make one
 * image with it; AFF4 volumes are one set, and come last.
 * @throws {ToolError} when one cannot be opened
 */
export async function* catImages(given: CatImages): AsyncGenerator<Batch> {
  const { files, format, interrupted, log, secrets, batchesAlive, program } = given
  const volumes = format === undefined ? files.filter(isAff4Image) : []
  const others = files.filter((file) => !volumes.includes(file))
  let streams = 0
  for (let file = others.shift(); file !== undefined && !interrupted.aborted; file = others.shift()) {
    const image = await open(file, others, given)
    const several = streams > 0 || others.length + volumes.length > 0
    try {
      streams = yield* catImage(given, image, several ? file : nameOf(image, file), file, streams)
    } finally {
      await image.close()
    }
  }
  if (volumes.length > 0 && !interrupted.aborted)
    yield* catVolumes({
      log,
      paths: volumes,
      wanted: [],
      range: undefined,
      secrets,
      batchesAlive,
      program,
      firstStream: streams + 1,
    })
}

async function open(file: string, parts: string[], { format, log }: CatImages): Promise<Image> {
  const warn = (message: string) => log.warn(`${file}: ${message}`)
  try {
    const image = await openImageFile(file, { format, parts, warn })
    log.verbose(`${file}: ${[image.format, image.variant].filter(Boolean).join(', ')}`)
    return image
  } catch (error) {
    const { exitCode, message, hint } = asToolError(error)
    const named = message.startsWith(file) ? message : `${file}: ${message}`
    throw new ToolError(exitCode, named, { ...(hint !== undefined && { hint }), cause: error })
  }
}

/** What other sources call the same. */
const nameOf = ({ category }: Image, file: string): string =>
  category === 'memory:physical' ? 'PhysicalMemory' : path.basename(file)

/** @returns the number of streams so far */
async function* catImage(
  { log, program, batchesAlive }: CatImages,
  image: Image,
  name: string,
  file: string,
  streams: number,
): AsyncGenerator<Batch, number> {
  let stream = streams + 1
  const warn = (message: string) => log.warn(`${file}: ${message}`)
  yield* imageToFrames({ image, stream, name, program, batchesAlive, warn })
  for (const { name: companion, category, source } of image.companions)
    yield* imageStream({
      stream: ++stream,
      name: companion,
      path: companion,
      size: source.size,
      read: source.read,
      program,
      batchesAlive,
      ...(category !== undefined && { category }),
    })
  return stream
}
