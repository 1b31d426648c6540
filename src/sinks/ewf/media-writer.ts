import { EXIT, ToolError } from '../../cli/exit.js'
import { showSize } from '../../cli/sizes.js'
import { UNBOUNDED } from '../../cli/space.js'
import type { Run } from '../../formats/address-space.js'
import { fillSymbolic } from '../../formats/aff4/symbolic.js'
import type { Bytes } from '../../formats/byte-source.js'
import { openSet, type SetConclusion, type SetWriter } from '../../formats/ewf/writer/set.js'
import { max, min } from '../../formats/min-max.js'
import { announcedSize } from '../../frames/streams.js'
import { within } from '../coverage.js'
import { beginCore, type CoreOptions } from '../elf-core.js'
import type { Evidence, ImageWriter } from '../memory-image.js'
import type { SegmentOutputs } from './segment-outputs.js'
import { concludeNotes, describeSet, isMemoryMap, type SetSettings } from './set-description.js'

/** Most zeros that stand for addresses that nobody sent, as in raw images. */
const MOST_PADDING = 64n << 30n
/** A stream that takes nothing back is one segment, and programs of 32 bits are to read it. */
const MOST_STREAMED = (2n << 30n) - (16n << 20n)

/** `.E01` to `.E99`, `.EAA` to `.ZZZ`. */
const MOST_SEGMENTS = 99n + 22n * 26n * 26n
const SHA256 = /^[0-9a-f]{64}$/

export type MediaSettings = SetSettings & CoreOptions

/** Begins a set: a memory map goes in as an ELF core, anything else as it is. */
export function beginMedia(
  outputs: SegmentOutputs,
  evidence: Evidence,
  announced: readonly Run[] | undefined,
  settings: MediaSettings,
): Promise<ImageWriter> {
  const { name, ordered } = evidence.stream
  if (ordered === false)
    throw new ToolError(EXIT.data, `${name}: its ranges come in no order`, {
      hint: 'write it with aff4-sink first, and image-cat that',
    })
  return isMemoryMap(evidence)
    ? beginMemory(outputs, evidence, announced, settings)
    : beginLinear(outputs, evidence, announced, settings)
}

/** Each byte at the sector of its address; zeros where nothing came. */
async function beginLinear(
  outputs: SegmentOutputs,
  evidence: Evidence,
  announced: readonly Run[] | undefined,
  settings: MediaSettings,
): Promise<ImageWriter> {
  const size = announcedSize(evidence.stream)
  if (!announced) refuseUnknownSize(outputs)
  const { set, whole, stump, refuseChanged } = await begin(outputs, evidence, settings, size)
  let padding = 0n

  async function pad(end: bigint): Promise<void> {
    padding += end - set.size
    if (padding > MOST_PADDING)
      throw new ToolError(EXIT.data, `${outputs.name}: ${showSize(padding)} of zeros for what nobody sent`, {
        hint: 'aff4-sink takes any address, and no space for what is absent',
      })
    await set.make(end - set.size, (into) => into.fill(0))
  }
  return {
    put(address, bytes) {
      return address > set.size ? pad(address).then(() => set.put(bytes)) : set.put(bytes)
    },
    async fill(address, length, content) {
      if (address > set.size) await pad(address)
      if (content === 'unreadable') set.expectError()
      await set.make(length, (into, distance) => fillSymbolic(content, address + distance, into))
    },
    release() {},
    async close(evidence) {
      if (size > set.size) await pad(size)
      compareDigests(evidence, set)
      refuseChanged()
      await set.complete(whole(evidence, unreadable(evidence)))
    },
    async finish(evidence, ranges, complete) {
      try {
        if (complete) return ranges
        const kept = await set.abandon(stump(evidence, unreadable(evidence)))
        return [...within(ranges, [{ start: 0n, length: kept }])]
      } finally {
        await set.close()
      }
    },
  }
}

/** An ELF core, which keeps the ranges and the facts. */
async function beginMemory(
  outputs: SegmentOutputs,
  evidence: Evidence,
  announced: readonly Run[] | undefined,
  settings: MediaSettings,
): Promise<ImageWriter> {
  if (!announced)
    throw new ToolError(EXIT.data, `${evidence.stream.name}: the stream does not tell its ranges ahead`, {
      hint: 'write it with elf-sink to a regular file first, and image-cat that',
    })
  const file = coreFile(outputs.name)
  const core = await beginCore(file, evidence, announced, settings)
  const placed = core.placed()
  const { set, whole, stump, refuseChanged } = await begin(outputs, evidence, settings, core.size)
  await file.into(set)
  let closed = false
  const errorsOf = (evidence: Evidence): Run[] =>
    [...within(placed, unreadable(evidence))].map(({ start, shift, length }) => ({
      start: start + shift,
      length,
    }))

  return {
    put: core.put,
    fill(address, length, content) {
      if (content === 'unreadable') set.expectError()
      return core.fill(address, length, content)
    },
    release: core.release,
    async close(evidence) {
      closed = true
      await core.finish(evidence, [], true)
      refuseChanged()
      await set.complete(whole(evidence, errorsOf(evidence)))
    },
    async finish(evidence, ranges, complete) {
      try {
        if (complete) return ranges
        // What has failed before fails again, and is told already.
        if (!closed) await core.finish(evidence, ranges, false).catch(() => {})
        const kept = await set.abandon(stump(evidence, errorsOf(evidence)))
        const held = placed.map((piece) => ({
          ...piece,
          length: max(0n, min(piece.length, kept - piece.start - piece.shift)),
        }))
        return [...within(ranges, held)]
      } finally {
        await set.close()
      }
    },
  }
}

/** A set with what both kinds of media do alike. */
async function begin(outputs: SegmentOutputs, evidence: Evidence, settings: MediaSettings, size: bigint) {
  if (!outputs.seekable && size > MOST_STREAMED)
    throw new ToolError(EXIT.data, `${outputs.name}: ${showSize(size)} may be more than one segment holds`, {
      hint: 'a regular file has others beside it: write OUT.E01',
    })
  outputs.space.demand(size)
  warnOfMany(outputs, settings, size)
  const about = describeSet(evidence, settings, size)
  const lengthOf = (media: bigint) => (media % BigInt(about.sectorSize) === 0n ? {} : { length: media })
  const set = await openSet(outputs, {
    ...about,
    // Of a set that is cut off before its end nothing else tells which zeros only fill the last sector.
    notes: concludeNotes(about, lengthOf(size)),
    // What takes nothing back is one segment.
    ...(!outputs.seekable && { segmentSize: Number.POSITIVE_INFINITY }),
  })
  return {
    set,
    /** What is known in the end of media that came whole. */
    whole(evidence: Evidence, errors: readonly Run[]): SetConclusion {
      const sha256 = isMemoryMap(evidence) ? undefined : digestOf(evidence, 'sha256')
      const noted = { ...lengthOf(set.size), ...(sha256 !== undefined && SHA256.test(sha256) && { sha256 }) }
      return { errors, notes: concludeNotes(about, noted) }
    },
    /** What is known of media that did not. */
    stump({ outcome }: Evidence, errors: readonly Run[]): SetConclusion {
      const reason = outcome?.error ?? outcome?.status ?? 'failed'
      return { errors, notes: concludeNotes(about, lengthOf(set.size), reason) }
    },
    /** @throws {ToolError} where it says another size already, and cannot be changed */
    refuseChanged() {
      if (!outputs.seekable && set.size !== size)
        throw new ToolError(EXIT.data, `${outputs.name}: ${set.size} bytes came, ${size} were announced`)
    },
  }
}

/** Where nothing can be compressed, names of segments may end before the media does. */
function warnOfMany(
  { name, seekable }: SegmentOutputs,
  { segmentSize, warn }: MediaSettings,
  size: bigint,
): void {
  const most = MOST_SEGMENTS * BigInt(segmentSize)
  if (!seekable || size <= most) return
  warn(
    `${name}: ${showSize(size)} may need more segments than there are names for: at ${showSize(segmentSize)} each, they hold ${showSize(most)}`,
    '--segment-size makes them larger',
  )
}

function refuseUnknownSize({ name, seekable }: SegmentOutputs): void {
  if (!seekable)
    throw new ToolError(EXIT.data, `${name}: the stream does not tell its size ahead`, {
      hint: 'an E01 begins with it: write it to a regular file',
    })
}

const unreadable = ({ blocks }: Evidence): Run[] => blocks.filter(({ status }) => status === '-')

/** What the stream says that a digest of its bytes is. */
const digestOf = ({ digests }: Evidence, wanted: string): string | undefined =>
  digests.find(({ algorithm, covers }) => algorithm === wanted && covers === 'linear')?.value.toLowerCase()

/** @throws {ToolError} where a digest of the stream is not that of what came */
function compareDigests(evidence: Evidence, set: SetWriter): void {
  const taken = set.digests()
  for (const name of ['md5', 'sha1'] as const) {
    const told = digestOf(evidence, name)
    const found = Buffer.from(taken[name]).toString('hex')
    if (told !== undefined && told !== found)
      throw new ToolError(EXIT.incomplete, `${name} of what came is ${found}, the stream says ${told}`)
  }
}

/** What a core is written to: the media of a set, once that is open; what comes before is kept. */
function coreFile(name: string) {
  const early: Bytes[] = []
  let position = 0n
  let set: SetWriter | undefined
  const refuse = () => {
    throw new Error('media cannot be written twice')
  }
  return {
    name,
    path: name,
    space: UNBOUNDED,
    seekable: false,
    get position() {
      return position
    },
    async write(...pieces: Bytes[]) {
      for (const piece of pieces) {
        if (set) await set.put(piece)
        else early.push(Uint8Array.from(piece))
        position += BigInt(piece.length)
      }
    },
    writeAt: refuse,
    truncate: refuse,
    sync: async () => {},
    finish: async () => undefined,
    /** Everything goes there from now on, and what came before. */
    async into(opened: SetWriter) {
      set = opened
      for (const piece of early.splice(0)) await set.put(piece)
    },
  }
}
