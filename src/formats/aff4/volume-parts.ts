import type { Checkpoint } from './checkpoint.js'
import type { Dialect } from './dialect.js'
import type { Graph } from './turtle.js'
import type { ZipWriter } from './zip/writer.js'

/** What the parts of a volume that is being written share. */
export interface VolumeParts {
  readonly urn: string
  readonly graph: Graph
  readonly zip: ZipWriter
  readonly dialect: Dialect
  /** The member that holds a URN. */
  memberName(urn: string): string
  /** Says that the volume holds an object, and of which type. */
  declare(urn: string, ...types: string[]): void
  /** What has become known since the last checkpoint. */
  checkpoint(): Checkpoint
  /** A buffer for a bevy, one that is free again where there is one. */
  takeBuffer(size: number): Buffer
  returnBuffer(buffer: Buffer): void
}

/** What a statement of a stream or map costs in Turtle at most. */
export const STATEMENT_BYTES = 512
