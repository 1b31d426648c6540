import type { Log } from '../../cli/messages.js'
import { reasonOfOne, type Tree } from '../../cli/tree.js'
import { FormatError } from '../../formats/format-error.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

/** Where files go, and who is told. */
export interface Export {
  readonly volume: NtfsVolume
  readonly tree: Tree
  readonly log: Log
  /** Told of everything that was written. */
  written(entry: Written): Promise<void>
  /** Told when something of a file is lost, or may be. */
  lost(): void
  /** Told of bytes of a stream, and of each file. */
  passed(path: string, bytes: bigint): Promise<void>
}

/** A thing in the folder, and whose it is on the volume. */
export interface Thing {
  readonly file: string
  readonly path: string
  readonly record: number
  readonly sequence: number
  readonly [fact: string]: unknown
}

export interface Written extends Thing {
  readonly kind: 'file' | 'folder' | 'stream' | 'reparse'
}

/** One stream that cannot be read or written is no reason to lose the others. */
export async function guarded(to: Export, shown: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    lose(to, shown, error)
  }
}

/** Tells of something that could not be had. @throws what is a reason to lose all the rest, too */
export function lose(to: Pick<Export, 'log' | 'lost'>, shown: string, error: unknown): void {
  const reason = error instanceof FormatError ? error.message : reasonOfOne(error)
  to.lost()
  to.log.error(`${shown}: ${reason}`, error instanceof FormatError ? error.hint : undefined)
}
