import { printable } from '../../cli/messages.js'
import { showSize } from '../../cli/sizes.js'
import { FACTS, factEntries } from '../../formats/image/facts.js'
import { describeType, type PartitionTable } from '../../formats/partitions/partition.js'
import { formatAddress } from '../../frames/address.js'
import type { FileReport, ImageReport } from './report.js'
import { tally } from './report.js'
import { showFact } from './show-fact.js'

const LABEL_WIDTH = 20
/** Of a table of ranges, unless all are asked for. */
const MOST_RANGES = 40

/** For people: a line for each thing that is known. @param all every range */
export function* reportText(report: FileReport, all: boolean): Generator<string> {
  const { file, parts, writtenBy, images, others } = report
  yield `${printable(file)}\n`
  for (const part of parts) yield line('with', part)
  for (const writer of writtenBy) yield line('written by', writer)
  for (const image of images) {
    if (image.name !== undefined) yield `\n${line('stream', image.name)}`
    yield* imageText(image, all)
  }
  if (others > 0) yield `\n${line('also', `${others} files, folders and links: aff4-ls lists them`)}`
}

function* imageText(image: ImageReport, all: boolean): Generator<string> {
  const { title, variant, category, size, ranges, facts, digests, partitions } = image
  yield line('format', [title, variant].filter(Boolean).join(', '))
  if (category !== undefined) yield line('category', category)
  if (size !== undefined) yield line('size', `${formatAddress(size)}, ${showSize(size)}`)
  for (const [kind, bytes] of Object.entries(tally(ranges)))
    if (bytes > 0n) yield line(kind, `${bytes} bytes, ${showSize(bytes)}`)
  if (image.beginsWith !== undefined) yield line('begins with', image.beginsWith)
  for (const [name, value] of factEntries(facts)) yield line(FACTS[name].title, showFact(name, value))
  for (const { algorithm, value, covers } of digests)
    yield line(covers === 'ranges' ? `${algorithm} of ranges` : algorithm, value)
  for (const check of image.checks) yield line('checksums', check)
  for (const { name, size } of image.companions) yield line('beside it', `${name}, ${showSize(size)}`)
  for (const why of image.incomplete) yield line('incomplete', why)
  for (const remark of image.remarks) yield line('remark', remark)
  if (partitions) yield* partitionText(partitions)
  yield line('ranges', String(ranges.length))
  const shown = all ? ranges.length : Math.min(ranges.length, MOST_RANGES)
  for (let index = 0; index < shown; index++) {
    const { start, length, content } = ranges[index]!
    const end = start + length
    yield `    ${[address(start), address(end), showSize(length).padStart(9), content].join('  ')}\n`
  }
  if (shown < ranges.length) yield `    … ${ranges.length - shown} more: --all shows them\n`
}

function* partitionText({ scheme, sectorSize, partitions, complaints }: PartitionTable): Generator<string> {
  yield line('partitions', `${partitions.length}, ${scheme}, sectors of ${sectorSize} bytes`)
  for (const { index, start, length, type, name } of partitions)
    yield `    ${[String(index).padStart(3), address(start), address(start + length), showSize(length).padStart(9), printable(`${describeType(type)}${name && `, ${name}`}`)].join('  ')}\n`
  for (const complaint of complaints) yield line('remark', complaint)
}

const address = (value: bigint) => formatAddress(value).padStart(14)

const line = (label: string, value: string) => `  ${label.padEnd(LABEL_WIDTH)}${printable(value)}\n`
