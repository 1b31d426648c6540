import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import { type Run, subtractRuns, sumOfRuns } from '../../formats/address-space.js'
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
  for (const holding of holdings) {
    const key = keyOf(holding)
    named.set(key, [...(named.get(key) ?? []), holding])
  }

  function choose(body: StreamBody, first: boolean) {
    const key = keyOf(body)
    const there = named.get(key) ?? []
    const open = there.filter((holding) => holding.open)
    if (there.length === 0) return 'everything'
    refuseAmbiguous(file, there, open)
    // Who comes next by this name is another one.
    named.set(key, open.length > 0 ? [] : there.slice(1))
    const urns = (open.length > 0 ? open : there.slice(0, 1)).map(({ urn }) => urn)
    const [only] = open
    if (only?.map !== undefined) {
      refuseOther(file, only, body)
      return { keep: [...subtractRuns([EVERYWHERE], only.held)], ...heldBy(open) } as const
    }
    if (open.length > 0) return { replaces: urns }
    if (!first) return 'nothing'
    return hasBytes(body) ? ({ keep: [], ...heldBy(there.slice(0, 1)) } as const) : { replaces: urns }
  }
  return { choose, completes: volume.urn }
}

/** What is left out because they have it. */
const heldBy = (holdings: readonly Holding[]) =>
  ({
    rest: 'unknown',
    completes: holdings.map(({ urn }) => urn),
    held: sumOfRuns(holdings.flatMap(({ held }) => held)),
  }) as const

/** Of names that are not UTF-8 the text alone may be that of several. */
const keyOf = ({ name, nameBytes = '' }: Pick<Holding, 'name'> & { nameBytes?: string | undefined }) =>
  `${nameBytes}\0${name}`

/** Each of them could be the one that comes: the bytes of one would end up in the other. */
function refuseAmbiguous(file: string, there: readonly Holding[], open: readonly Holding[]): void {
  if (there.length === 1 || open.length === 0) return
  // Stumps of a file make way for it together.
  if (open.length === there.length && open.every(({ map }) => map === undefined)) return
  throw new ToolError(
    EXIT.data,
    `${file}: has ${there.length} streams called ${there[0]!.name}, not all of them whole: which of them comes cannot be told`,
    { hint: 'transfer what it lacks into another volume' },
  )
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
      throw new ToolError(EXIT.data, `${file}: lacks nothing`, {
        hint: `aff4-verify ${file} tells whether it is whole; then it may have its name`,
      })
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
