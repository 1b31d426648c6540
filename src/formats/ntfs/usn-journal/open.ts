import { min } from '../../min-max.js'
import { ATTRIBUTE } from '../attribute-type.js'
import { findAttribute, type NtfsFile } from '../file.js'
import { findTarget } from '../find-target.js'
import { NtfsError, type Report } from '../finding.js'
import { parseTarget } from '../path.js'
import { planStream } from '../stream-plan.js'
import type { NtfsVolume } from '../volume.js'
import { decodeJournalFacts, type JournalFacts } from './maximum.js'
import { readUsnJournal } from './read.js'
import { JOURNAL_PAGE, type UsnRecord } from './record.js'

const JOURNAL = '$Extend/$UsnJrnl'
const LARGEST_FACTS = 4096n

/** The change journal of a volume. */
export interface UsnJournal {
  /** Of $Max; undefined: there is none that can be read. */
  readonly facts: JournalFacts | undefined
  /** Bytes that are still held, of all that were ever written. */
  readonly held: bigint
  readonly size: bigint
  /** All records, a batch for each MiB that holds any; holes cost nothing. */
  records(report: Report, newestFirst?: boolean): AsyncGenerator<UsnRecord[]>
}

/**
 * Opens $Extend/$UsnJrnl.
 * @param report told of what is wrong with it
 * @throws {NtfsError} when the volume has none
 */
export async function openUsnJournal(volume: NtfsVolume, report: Report): Promise<UsnJournal> {
  const file = await findJournal(volume)
  for (const finding of file.findings) report(finding)
  const attribute = findAttribute(file, ATTRIBUTE.DATA, '$J')
  if (!attribute) throw new NtfsError(`${JOURNAL} has no $J`)
  const journal = volume.stream(attribute, '$UsnJrnl:$J')
  const stretches: Stretch[] = []
  let left = volume.source.size
  if (attribute.value) join(stretches, 0n, journal.size)
  else
    for (const { kind, offset, length, ...segment } of planStream(
      attribute,
      volume.geometry,
      0n,
      journal.size,
    ))
      if (kind === 'clusters' || kind === 'unit') {
        left -= length
        if (left < 0n) {
          report({
            message: `${journal.name} claims more clusters than the volume has; the rest is not read`,
            offset,
          })
          break
        }
        join(stretches, offset, offset + length)
      } else if ('reason' in segment)
        report({ message: `${journal.name}: ${length} bytes are lost: ${segment.reason}`, offset })
  return {
    facts: await readFacts(volume, file, report),
    held: stretches.reduce((sum, { from, to }) => sum + min(to, journal.size) - from, 0n),
    size: journal.size,
    async *records(report, newestFirst = false) {
      for (const { from, to } of newestFirst ? stretches.toReversed() : stretches) {
        const source = { ...journal, size: min(to, journal.size) }
        yield* readUsnJournal(source, { first: from, report, newestFirst })
      }
    },
  }
}

async function findJournal(volume: NtfsVolume): Promise<NtfsFile> {
  try {
    return (await findTarget(volume, parseTarget(JOURNAL))).file
  } catch (error) {
    throw new NtfsError(`no change journal: ${(error as Error).message}`, undefined, WHERE_ELSE)
  }
}

const WHERE_ELSE = 'a shadow copy may hold one that was deleted since: --snapshot N'

/** Pages of the journal that are not all hole. */
interface Stretch {
  readonly from: bigint
  readonly to: bigint
}

/** Adds bytes behind the others; a page is read once, also where clusters are smaller. */
function join(stretches: Stretch[], from: bigint, to: bigint): void {
  const page = BigInt(JOURNAL_PAGE)
  const [begin, end] = [from - (from % page), to + ((page - (to % page)) % page)]
  const last = stretches.at(-1)
  if (last && begin <= last.to) stretches[stretches.length - 1] = { from: last.from, to: end }
  else stretches.push({ from: begin, to: end })
}

async function readFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  report: Report,
): Promise<JournalFacts | undefined> {
  const maximum = findAttribute(file, ATTRIBUTE.DATA, '$Max')
  if (!maximum) return undefined
  try {
    return decodeJournalFacts(await volume.read(maximum, LARGEST_FACTS))
  } catch (error) {
    report({ message: (error as Error).message, record: file.reference.record })
    return undefined
  }
}
