import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import { type Run, subtractRuns } from '../../formats/address-space.js'
import { openAsItWas } from '../../formats/aff4/append-guard.js'
import { STANDARD } from '../../formats/aff4/dialect.js'
import { contradiction, type Holding, holdingsOf, isLabelled } from '../../formats/aff4/holdings.js'
import { readOldVolume } from '../../formats/aff4/old-volume.js'
import { openVolume, type Volume } from '../../formats/aff4/volume.js'
import { FormatError } from '../../formats/format-error.js'
import type { StreamBody } from '../../frames/frame.js'
import { announcedRuns, hasBytes } from '../../frames/streams.js'
import type { Selection } from './select-streams.js'

/** Whatever can be addressed. */
const EVERYWHERE: Run = { start: 0n, length: 1n << 64n }

/**
 * Chooses what an incomplete volume lacks: ranges that never came of images, anything else that is not whole there as a whole.
 * The first stream of a transmission always comes, if only as what is there already, so that its END does.
 * @throws {ToolError} when it is no volume that can be completed, or lacks nothing
 */
export async function missingFrom(file: string): Promise<Pick<Selection, 'choose' | 'completes'>> {
  const { volume, holdings } = await openEarlier(file)
  const named = new Map<string, Holding[]>()
  for (const holding of holdings) named.set(holding.name, [...(named.get(holding.name) ?? []), holding])

  function choose(body: StreamBody, first: boolean) {
    const there = named.get(body.name) ?? []
    const open = there.filter((holding) => holding.open)
    const urns = (open.length > 0 ? open : there).map(({ urn }) => urn)
    const [only] = open.length === 1 ? open : []
    if (there.length === 0) return 'everything'
    if (only?.map !== undefined) {
      refuseOther(file, only, body)
      return { keep: [...subtractRuns([EVERYWHERE], only.held)], rest: 'unknown', completes: urns } as const
    }
    if (open.length > 0) return { replaces: urns }
    if (!first) return 'nothing'
    return hasBytes(body) ? ({ keep: [], rest: 'unknown', completes: urns } as const) : { replaces: urns }
  }
  return { choose, completes: volume.urn }
}

function refuseOther(file: string, holding: Holding, body: StreamBody): void {
  const announced = announcedRuns(body)
  const wrong = announced && contradiction(holding, body.kind === 'image', announced)
  if (wrong)
    throw new ToolError(EXIT.data, `${body.name}: is not what ${file} has of it: ${wrong}`, {
      hint: 'the source has to be the one that the volume was made from',
    })
}

async function openEarlier(file: string): Promise<{ volume: Volume; holdings: Holding[] }> {
  const { source } = await openAsItWas(file)
  try {
    const { dialect } = await readOldVolume(source)
    if (dialect !== STANDARD)
      throw new ToolError(EXIT.data, `${file}: cannot be completed: it is not in the layout of the Standard`)
    const volume = await openVolume(source)
    const holdings = await holdingsOf(volume)
    const labelled = [...volume.graph.subjects()].some((urn) => isLabelled(volume, urn))
    if (!labelled && !holdings.some(({ open }) => open))
      throw new ToolError(EXIT.data, `${file}: lacks nothing`)
    return { volume, holdings }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    const why = reasonOf(error).replace(`${file}: `, '')
    throw new ToolError(EXIT.data, `${file}: cannot be completed: ${why}`, {
      hint: 'aff4-recover makes a volume of all that is whole in one that was cut',
      cause: error,
    })
  } finally {
    await source.close()
  }
}
