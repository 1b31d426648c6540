import type { AddressSpace, Run } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import type { StatedDigest } from '../stream-digest.js'
import type { Facts } from './facts.js'

/** A range that an image tells about without holding its bytes. */
export interface Hole extends Run {
  /** All zeros; tried in vain; left out by whoever wrote the image, or lost with a part of it. */
  readonly content: 'zero' | 'unreadable' | 'unknown'
}

/** An image of memory or of a disk, opened, in whatever format it is. */
export interface Image extends AddressSpace {
  /** The name of its format: a row of `FORMATS`. */
  readonly format: string
  /** Which kind of it: `version 2`, `bitmap, 64 bit`; of a container, what it holds follows behind a comma. */
  readonly variant: string
  /** What it is of, as STREAM frames say it; undefined where it does not say. */
  readonly category: 'memory:physical' | 'memory:virtual' | 'disk:physical' | 'disk:logical' | undefined
  /** One past the last address that it tells about. */
  readonly size: bigint
  /** Ascending, not overlapping, disjoint from `runs`. What is in neither was no part of the evidence. */
  readonly holes: readonly Hole[]
  /** Bytes that fail together, a power of two: a page, a chunk. */
  readonly unit: number
  readonly facts: Facts
  /** Of what `read` gives, holes as the texts that stand for them; any others are compared by `verify`. */
  readonly digests: readonly StatedDigest[]
  /** The checksums that `read` compares, in words: `CRC-32C of each chunk`; empty where the format has none. */
  readonly checks: readonly string[]
  /** Why it is a stump, told by its writer or seen from its size. */
  readonly incomplete: string | undefined
  /** What an examiner must know: oddities, what could not be checked. */
  readonly remarks: readonly string[]
  /** What goes along with the memory: a page file. */
  readonly companions: readonly Companion[]
  /**
   * Compares what only the whole image shows, such as a digest over a container that is not its content: called
   * after everything was read, in order. Absent where there is nothing.
   * @returns what does not hold
   */
  verify?(): Promise<readonly string[]>
  /** Closes the files that opening it has opened; the source it was opened on stays its owner's. */
  close(): Promise<void>
}

/** A stream beside the memory in one file. */
export interface Companion {
  readonly name: string
  readonly category: 'memory:pagefile' | undefined
  readonly source: ByteSource
}

/** What surrounds the file that is opened. */
export interface SurroundingFiles {
  /** The name of the file, for finding what belongs to it. */
  readonly path: string
  /** Further files that the user named with it, in order: parts of a set. Those taken are removed. */
  readonly parts: string[]
  /** Opens another file; undefined where there is none. @throws the operating system's error */
  openFile(path: string): ByteSource | undefined
  /** The names in the folder of `path`, without it; empty where it cannot be listed. */
  listFolder(): readonly string[]
  /** Told what is odd while it is read. */
  warn(message: string): void
}

export interface Surroundings extends SurroundingFiles {
  /** Opens the memory image that a container holds; undefined where the content is none. */
  openContent(content: ByteSource): Promise<Image | undefined>
}

/** A format that is read. */
export interface ImageFormat {
  /** As `--format` names it. */
  readonly name: string
  /** For people: `LiME`. */
  readonly title: string
  /** Whether it may stand in a container: an E01, a flat dump. */
  readonly holdsMemory: boolean
  /**
   * @param head the first bytes of the file, at most TELLING_SIZE
   * @param source for what stands elsewhere in it
   * @param surroundings for what stands beside it; none of content inside a container
   */
  recognises(head: Bytes, source: ByteSource, surroundings?: Surroundings): boolean | Promise<boolean>
  /** @throws {FormatError} with the offset, where it is not what the format demands */
  open(source: ByteSource, surroundings: Surroundings): Promise<Image>
}
