import { toJson } from '../../cli/json.js'
import { FACT_NAMES, type Facts, formatFact } from '../../formats/image/facts.js'
import type { FileReport, ImageReport } from './report.js'
import { tally } from './report.js'

/** Ranges in one text. */
const BATCH = 4096

/** A JSON object on a line, with everything. */
export function* reportJson({ file, parts, writtenBy, images, others }: FileReport): Generator<string> {
  const [first] = images
  if (first && first.name === undefined) {
    yield `${open({ file, parts })},`
    yield* imageJson(first)
    yield '\n'
    return
  }
  yield `${open({ file, parts, format: 'aff4', writtenBy, others })},"streams":[`
  let comma = ''
  for (const image of images) {
    yield `${comma}{`
    yield* imageJson(image)
    comma = ','
  }
  yield ']}\n'
}

/** The members of the object of an image, and the end of that. */
function* imageJson(image: ImageReport): Generator<string> {
  const { ranges, partitions, facts, title: _, ...plain } = image
  const table = partitions && { partitions }
  yield `${open({ ...plain, bytes: tally(ranges), facts: factsAsText(facts), ...table }).slice(1)},"ranges":[`
  for (let at = 0; at < ranges.length; at += BATCH) {
    const texts = ranges.slice(at, at + BATCH).map(toJson)
    yield `${at > 0 ? ',' : ''}${texts.join(',')}`
  }
  yield ']}'
}

/** Without the brace that closes it. */
const open = (value: object) => toJson(value).slice(0, -1)

const factsAsText = (facts: Facts) =>
  Object.fromEntries(
    FACT_NAMES.flatMap((name) => {
      const value = facts[name]
      return value === undefined ? [] : [[name, formatFact(name, value)]]
    }),
  )
