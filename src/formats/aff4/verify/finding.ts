/**
 * What was found out about one property of one thing:
 * `matched` it was checked and holds; `mismatched` it does not, or what it speaks of is damaged or missing;
 * `unchecked` it was not checked here, but could be (an algorithm that is not known, a volume that was not given);
 * `uncheckable` no reader knows how it is made; `note` something that people may want to know.
 */
export type Outcome = 'matched' | 'mismatched' | 'unchecked' | 'uncheckable' | 'note'

export interface Finding {
  readonly outcome: Outcome
  /** `hash SHA256`, `CRC`, `chunk 17`. */
  readonly property: string
  /** The URN of an object, or the name of a volume and a member of it. */
  readonly subject: string
  /** Why, or how much. */
  readonly detail?: string
  /** Where in the file of the volume. */
  readonly offset?: bigint
}

/** Takes findings as they come. */
export type Report = (finding: Finding) => Promise<void>

/**
 * Told of bytes that were read and checked. Work that never waits for anything would keep signals from being heard:
 * every so often there is something to wait for.
 */
export type Tick = (bytes: number) => Promise<void> | undefined
