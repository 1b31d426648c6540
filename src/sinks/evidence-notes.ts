import { VERSION } from '../cli/version.js'
import { decodeNotes, type ElfNote } from '../formats/elf/notes.js'
import { encodeOwnNote } from '../formats/elf/own-note.js'
import type { Hole } from '../formats/image/image.js'
import type { StatedDigest } from '../formats/stream-digest.js'
import { announcedSize } from '../frames/streams.js'
import type { Evidence } from './memory-image.js'

const MOST_ERROR = 500

/**
 * What is known about a memory as ELF notes: VMCOREINFO, those of the input, and our own with everything else.
 * @param tool who writes them
 * @param deterministic nothing of the machine that writes it, and of how and when
 * @param isClosed how it ended will stand behind the memory
 */
export function evidenceNotes(
  evidence: Evidence,
  tool: string,
  deterministic: boolean,
  isClosed = false,
): ElfNote[] {
  const { stream, facts, origin } = evidence
  const { vmcoreinfo, directMapBase = 0n, elfNotes, ...others } = facts
  const own = encodeOwnNote({
    ...endOf(evidence, tool),
    category: stream.category,
    origin: { stream: stream.name, ...(!deterministic && origin) },
    facts: { ...others, ...(directMapBase !== 0n && { directMapBase }) },
    isClosed,
  })
  return [
    ...(vmcoreinfo === undefined
      ? []
      : [{ name: 'VMCOREINFO', type: 0, desc: Buffer.from(vmcoreinfo, 'latin1') }]),
    ...(elfNotes === undefined ? [] : decodeNotes(elfNotes)),
    own,
  ]
}

/** How the input ended; what was not read, and is filling where the format has no holes; digests of all. */
export const endOf = (evidence: Evidence, tool: string) => ({
  program: `pmem ${tool} ${VERSION}`,
  status: evidence.outcome?.status,
  error: evidence.outcome?.error?.slice(0, MOST_ERROR),
  holes: evidence.blocks.flatMap(({ start, length, status }): Hole[] =>
    status === '+' ? [] : [{ start, length, content: status === '?' ? 'unknown' : 'unreadable' }],
  ),
  digests: digestsOf(evidence),
})

/** An image ends with its last range: a digest that counts zeros behind it is none of the image's. */
function digestsOf({ stream, digests, blocks }: Evidence): StatedDigest[] {
  const last = blocks.at(-1)
  const endsThere = last !== undefined && announcedSize(stream) <= last.start + last.length
  return digests
    .filter(({ covers }) => covers === 'ranges' || endsThere)
    .map(({ algorithm, value, covers }) => ({ algorithm, value: value.toLowerCase(), covers }))
}
