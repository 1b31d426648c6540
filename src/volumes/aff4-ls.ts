import { EXIT } from '../cli/exit.js'
import { toJson } from '../cli/json.js'
import { printable } from '../cli/messages.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import type { Tool } from '../cli/tool.js'
import { type InventoryEntry, takeInventory } from '../formats/aff4/inventory.js'
import { pmem } from '../formats/aff4/lexicon.js'
import type { Extent } from '../formats/aff4/reader.js'
import { openVolumeFiles } from '../formats/aff4/volume-file.js'
import { formatAddress } from '../frames/address.js'
import { printParts } from './printer.js'

/** aff4-ls: what volumes hold, a line a stream. */
export const tool: Tool = {
  name: 'aff4-ls',
  role: 'report',
  usage: 'VOLUME…',
  summary: 'list the streams of AFF4 volumes',
  options: {
    map: { help: 'the ranges of each stream as well' },
    json: { help: 'a JSON object a line' },
    ...SECRET_OPTIONS,
  },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, io, log }) {
    const volumes = await openVolumeFiles(operands, secretsOf(options), (message) => log.warn(message))
    for (const [index, { graph, urn }] of volumes.entries()) {
      const state = graph.value(urn, pmem('incomplete'))
      if (state !== undefined) log.warn(`${operands[index]}: incomplete: ${state}`)
    }
    let unopened = false
    const inventory = watch(takeInventory(volumes), ({ opened, name, smear }) => {
      unopened ||= !opened
      if (smear !== undefined) log.info(`${name}: pages that changed while it was read: ${smear}`)
    })
    const map = options.flag('map')
    await printParts(io, options.flag('json') ? jsonLines(inventory, map) : tableLines(inventory, map))
    return unopened ? EXIT.unreadable : EXIT.complete
  },
}

/** The same entries. @param look sees each of them */
async function* watch(
  inventory: AsyncIterable<InventoryEntry>,
  look: (entry: InventoryEntry) => void,
): AsyncGenerator<InventoryEntry> {
  for await (const entry of inventory) {
    look(entry)
    yield entry
  }
}

const COLUMNS = [
  'KIND',
  'SIZE',
  'STORED',
  'COMPRESSION',
  'CATEGORY',
  'CREATED',
  'MODIFIED',
  'INCOMPLETE',
  'HASHES',
  'NAME',
]
/** Numbers stand below one another. */
const TO_THE_RIGHT = ['SIZE', 'STORED']
/** No cell has it: it is not printable. */
const BETWEEN_CELLS = '\n'

async function* tableLines(inventory: AsyncIterable<InventoryEntry>, map: boolean): AsyncGenerator<string> {
  const widths = COLUMNS.map(({ length }) => length)
  /** Of as many entries as a volume has files: a text each. */
  const rows: string[] = []
  const extentsOf: InventoryEntry['extents'][] = []
  for await (const entry of inventory) {
    const row = cells(entry)
    for (const [column, { length }] of row.entries()) widths[column] = Math.max(widths[column]!, length)
    rows.push(row.join(BETWEEN_CELLS))
    if (map) extentsOf.push(entry.extents)
  }
  const format = (row: readonly string[]) =>
    `${row
      .map((cell, column) =>
        TO_THE_RIGHT.includes(COLUMNS[column]!)
          ? cell.padStart(widths[column]!)
          : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd()}\n`
  yield format(COLUMNS)
  for (const [index, row] of rows.entries()) {
    yield format(row.split(BETWEEN_CELLS))
    if (map) for (const extent of await extentsOf[index]!()) yield `  ${words(extent).join('  ')}\n`
  }
}

function cells(entry: InventoryEntry): string[] {
  const { kind, size, stored, compression, category, created, modified, incomplete, digests, name } = entry
  return [
    kind,
    size === undefined ? '-' : String(size),
    String(stored),
    compression.join(',') || '-',
    category ?? '-',
    created ?? '-',
    modified ?? '-',
    incomplete.map(briefly).join(',') || '-',
    digests
      .map(({ algorithm, value, ofRanges }) => `${algorithm}${ofRanges ? '(ranges)' : ''}:${value}`)
      .join(',') || '-',
    name,
  ].map(printable)
}

/** A word for what is incomplete: the reason itself may be long, and stands in JSON. */
const briefly = (state: string) =>
  /^(?:unreadable|unknown) \d+$|^(?:interrupted|failed|truncated|unopened)\b|/
    .exec(state)![0]
    .replace(' ', ':') || 'incomplete'

/** Start, end, length, content. */
function words({ start, length, content }: Extent): string[] {
  return [formatAddress(start), formatAddress(start + length), formatAddress(length), contentName(content)]
}

const contentName = (content: Extent['content']) =>
  typeof content === 'number' ? `byte:0x${content.toString(16)}` : content

async function* jsonLines(inventory: AsyncIterable<InventoryEntry>, map: boolean): AsyncGenerator<string> {
  for await (const { extents, opened: _, ...entry } of inventory) {
    const facts = toJson(entry)
    if (!map) {
      yield `${facts}\n`
      continue
    }
    yield `${facts.slice(0, -1)},"map":[`
    let comma = ''
    for (const extent of await extents()) {
      const [start, end, length, content] = words(extent)
      yield `${comma}${JSON.stringify({ start, end, length, content })}`
      comma = ','
    }
    yield ']}\n'
  }
}
