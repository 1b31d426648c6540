import { EXIT, ToolError } from '../../cli/exit.js'
import type { Outcome } from '../../cli/output.js'
import { sumOfRuns } from '../../formats/address-space.js'
import {
  contradiction,
  type Holding,
  holdingsOf,
  originOf,
  otherOrigin,
} from '../../formats/aff4/holdings.js'
import type { OldVolume } from '../../formats/aff4/old-volume.js'
import { type OpenEnds, takeOpenEnds } from '../../formats/aff4/open-ends.js'
import { parseTurtle } from '../../formats/aff4/turtle.js'
import type { Volume } from '../../formats/aff4/volume.js'
import { openVolumeFile } from '../../formats/aff4/volume-file.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import { parseAddress } from '../../frames/address.js'
import type { MetaFrame, StreamBody } from '../../frames/frame.js'
import { announcedRuns } from '../../frames/streams.js'
import { openGrownStream } from './grown-stream.js'
import type { StoredStream, StreamContext } from './stored-stream.js'

/** A volume on its way to be whole: the streams that come bring what it lacks. */
export interface Completion {
  /** The old volume, as it is gone on with. */
  readonly old: OldVolume
  /** Bytes besides the writer's own that the end takes at most. */
  readonly bytes: number
  /**
   * A stream that completes what is there.
   * @param anew opens it as one that is not there yet
   */
  open(context: StreamContext, body: StreamBody, anew: () => StoredStream): Promise<StoredStream>
  /** How many bytes of a stream are there. */
  held(body: StreamBody): bigint
  /** The input is over: says what is still true, and in `outcome` what is still missing. */
  conclude(volume: VolumeWriter, outcome: Outcome): void
}

/** Streams that are named, before the others are only counted. */
const MOST_NAMED = 5

/**
 * @param file the volume that is there
 * @param completes the URN of the volume that the frames are meant for
 * @throws {ToolError} data, when it is another one
 */
export async function openCompletion(file: string, old: OldVolume, completes: string): Promise<Completion> {
  if (old.urn !== completes) throw elsewhere(file, completes)
  const earlier: Volume = await openVolumeFile(file)
  const holdings = await holdingsOf(earlier)
  const ends: OpenEnds = takeOpenEnds(earlier, old, holdings)
  const known = new Map(holdings.map((holding) => [holding.urn, holding]))

  function find(name: string, urn: string): Holding {
    const found = known.get(urn)
    if (!found) throw new ToolError(EXIT.data, `${name}: completes ${urn}, which is not in ${file}`)
    return found
  }

  /** Nobody would see that what came already and what comes now are of different boots. */
  function refuseOthers(name: string, holding: Holding, stream: StoredStream): StoredStream {
    return {
      ...stream,
      meta(frame) {
        const why = otherOrigin(holding, originOfFacts(frame, holding.urn))
        if (why)
          throw new ToolError(EXIT.data, `${name}: is not the one of which ${file} has a part: ${why}`, {
            hint: 'transfer it into another volume',
          })
        stream.meta(frame)
      },
    }
  }

  return {
    old: ends.old,
    bytes: ends.restoreBytes,
    held: ({ completes = [] }) => sumOfRuns(completes.flatMap((urn) => known.get(urn)?.held ?? [])),
    async open(context, body, anew) {
      const given = body.completes!.map((urn) => find(body.name, urn))
      if (body.held !== undefined && parseAddress(body.held) !== sumOfRuns(given.flatMap(({ held }) => held)))
        throw new ToolError(EXIT.data, `${body.name}: ${file} has other ranges of it than those left out`, {
          hint: 'pmem-select --missing-from has to be given the volume as it is now',
        })
      const left = ends.left()
      const open = given.filter((holding) => left.includes(holding))
      const [only] = open
      if (!only) return refuseOthers(body.name, given[0]!, NOTHING_TAKEN)
      const announced = announcedRuns(body)
      if (open.length > 1 || only.map === undefined) {
        const stream = anew()
        return {
          ...stream,
          get image() {
            return stream.image
          },
          async end(state) {
            await stream.end(state)
            if (state === undefined) for (const one of open) context.volume.omit(ends.settle(one))
          },
        }
      }
      const wrong = announced && contradiction(only, body.kind === 'image', announced)
      if (wrong) throw new ToolError(EXIT.data, `${body.name}: is not what ${file} has of it: ${wrong}`)
      const aboutMap = ends.aboutMap(only)
      const grown = await openGrownStream(context, body, { earlier, holding: only, aboutMap })
      context.volume.omit(ends.settle(only))
      return refuseOthers(body.name, only, grown)
    },
    conclude(volume, outcome) {
      if (holdings.some(({ unreadable }) => unreadable)) outcome.unreadable = true
      const names = ends.left().map(({ name }) => name)
      if (outcome.status === 'complete' && names.length > 0) {
        const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''
        Object.assign(outcome, {
          status: 'failed',
          error: `still incomplete: ${names.slice(0, MOST_NAMED).join(', ')}${more}`,
        })
      }
      ends.restore(volume.graph, outcome.status === 'complete')
    },
  }
}

const originOfFacts = ({ turtle }: MetaFrame, urn: string) => {
  try {
    return originOf(parseTurtle(turtle, urn).filter(({ subject }) => subject === urn))
  } catch {
    // It is kept as it came, and what it says nobody knows.
    return new Map()
  }
}

/** For frames that bring what another volume lacks. */
export const elsewhere = (target: string, completes: string): ToolError =>
  new ToolError(EXIT.data, `${target}: is not the volume that is to be completed, ${completes}`, {
    hint: 'the output is the volume that pmem-select --missing-from was given, or its final name',
  })

/** All of it is there. */
const NOTHING_TAKEN: StoredStream = {
  data() {},
  fill() {},
  meta() {},
  note() {},
  digest() {},
  async end() {},
  abandon() {},
  image: undefined,
}
