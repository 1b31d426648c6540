import { createHash } from 'node:crypto'
import { openStream } from '../../../../src/formats/aff4/reader.js'
import type { Recovery } from '../../../../src/formats/aff4/recover/outcome.js'
import { recoverVolume } from '../../../../src/formats/aff4/recover/recover.js'
import { openVolume, type Volume } from '../../../../src/formats/aff4/volume.js'
import { FormatError } from '../../../../src/formats/format-error.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'

export interface Recovered {
  readonly recovery: Recovery
  readonly bytes: Buffer
  /** The new volume, opened. */
  readonly volume: Volume
}

/** @returns undefined when there is nothing to recover */
export async function recoverBytes(bytes: Buffer): Promise<Recovered | undefined> {
  const sink = bufferSink()
  let recovery: Recovery
  try {
    recovery = await recoverVolume(bufferSource(bytes), sink, { tool: 'test' })
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
  return { recovery, bytes: sink.bytes(), volume: await openVolume(bufferSource(sink.bytes())) }
}

export async function readStream(volume: Volume, urn: string): Promise<Buffer> {
  const stream = await openStream([volume], urn)
  const pieces: Uint8Array[] = []
  const step = 1n << 22n
  for (let at = 0n; at < stream.size; at += step)
    pieces.push(await stream.read(at, Number(stream.size - at < step ? stream.size - at : step)))
  return Buffer.concat(pieces)
}

/** @returns SHA-256 of what a stream reads as */
export async function digestOf(volume: Volume, urn: string): Promise<string> {
  const stream = await openStream([volume], urn)
  const sum = createHash('sha256')
  const step = 1n << 22n
  for (let at = 0n; at < stream.size; at += step)
    sum.update(await stream.read(at, Number(stream.size - at < step ? stream.size - at : step)))
  return sum.digest('hex')
}
