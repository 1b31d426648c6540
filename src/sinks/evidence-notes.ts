import { VERSION } from '../cli/version.js'
import { decodeNotes, type ElfNote } from '../formats/elf/notes.js'
import { encodeOwnNote } from '../formats/elf/own-note.js'
import type { Hole } from '../formats/image/image.js'
import type { Evidence } from './memory-image.js'

const MOST_ERROR = 500

/**
 * What is known about a memory as ELF notes: VMCOREINFO, those of the input, and our own with everything else.
 * @param tool who writes them
 * @param deterministic nothing of the machine that writes it, and of how and when
 */
export function evidenceNotes(evidence: Evidence, tool: string, deterministic: boolean): ElfNote[] {
  const { stream, facts, origin, outcome } = evidence
  const { vmcoreinfo, directMapBase = 0n, elfNotes, ...others } = facts
  const own = encodeOwnNote({
    program: `pmem ${tool} ${VERSION}`,
    category: stream.category,
    origin: { stream: stream.name, ...(!deterministic && origin) },
    facts: { ...others, ...(directMapBase !== 0n && { directMapBase }) },
    status: outcome?.status,
    error: outcome?.error?.slice(0, MOST_ERROR),
    holes: holesOf(evidence),
  })
  return [
    ...(vmcoreinfo === undefined
      ? []
      : [{ name: 'VMCOREINFO', type: 0, desc: Buffer.from(vmcoreinfo, 'latin1') }]),
    ...(elfNotes === undefined ? [] : decodeNotes(elfNotes)),
    own,
  ]
}

/** What was not read, and is filling where the format has no holes. */
const holesOf = ({ blocks }: Evidence): Hole[] =>
  blocks.flatMap(({ start, length, status }) =>
    status === '+' ? [] : [{ start, length, content: status === '?' ? 'unknown' : 'unreadable' }],
  )
