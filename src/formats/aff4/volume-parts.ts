import type { Bytes } from '../byte-source.js'
import type { Checkpoint } from './checkpoint.js'
import type { Dialect } from './dialect.js'
import type { Graph } from './turtle.js'
import type { NewMember, ZipWriter } from './zip/writer.js'

export type Written = (content: Bytes) => void

/** What the parts of a volume that is being written share. */
export interface VolumeParts {
  readonly urn: string
  readonly graph: Graph
  readonly zip: ZipWriter
  readonly dialect: Dialect
  /** A URN for what has no name of its own. */
  freshUrn(): string
  /** The member that holds a URN. */
  memberName(urn: string): string
  /** Says that the volume holds an object, and of which type. */
  declare(urn: string, ...types: string[]): void
  /**
   * Writes two members, the second of which names objects of the volume: where that has no name yet, at its end.
   * @param describe told what the second one holds, once it is written
   */
  writeNamed(plain: NewMember, naming: { name: string; content: Bytes }, describe: Written): Promise<void>
  /** What has become known since the last checkpoint. */
  checkpoint(): Checkpoint
  /** A buffer for a bevy, one that is free again where there is one. */
  takeBuffer(size: number): Buffer
  returnBuffer(buffer: Buffer): void
}

/** What a statement of a stream or map costs in Turtle at most. */
export const STATEMENT_BYTES = 512
/** What is said of a map once it is written. */
export const MAP_STATEMENTS = 8
