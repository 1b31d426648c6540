import { EXIT, type ExitCode, ToolError } from '../cli/exit.js'
import { NTFS_OPTIONS, openNtfsImage } from '../cli/ntfs-image.js'
import { parseRange } from '../cli/sizes.js'
import type { Context, Tool } from '../cli/tool.js'
import { readDeletedLinks } from '../formats/ntfs/deleted-links.js'
import { findTarget } from '../formats/ntfs/find-target.js'
import { parseTarget, type Target } from '../formats/ntfs/path.js'
import type { Piece } from '../formats/ntfs/stream.js'
import type { NtfsVolume } from '../formats/ntfs/volume.js'
import { dumpJson, dumpText } from './ntfs/dump.js'
import { attributePieces, defaultAttribute, recordBytes, slackPieces } from './ntfs/dump-range.js'
import { printParts } from './printer.js'

/** ntfs-dump: the bytes of an attribute or a record, for people. */
export const tool: Tool = {
  name: 'ntfs-dump',
  role: 'report',
  usage: 'IMAGE INODE|PATH',
  summary: 'hexdump of an attribute or the record of a file of an NTFS volume',
  options: {
    record: { help: 'the MFT record, as it is on disk' },
    fixed: { help: 'the MFT record, its fixups undone' },
    slack: { help: 'what lies behind the end, in its clusters or in the record' },
    range: { value: 'RANGE', help: 'these bytes: START-END or START+LENGTH' },
    deleted: { help: 'a path may lead to a file that was deleted' },
    json: { help: 'a JSON object a line' },
    ...NTFS_OPTIONS,
  },
  operands: [2, 2],
  async run(context) {
    const { operands, options, log } = context
    for (const [one, other] of EXCLUSIVE)
      if (options.value(one) !== undefined && options.value(other) !== undefined)
        throw new ToolError(EXIT.usage, `--${one} and --${other}: one of them`)
    const volume = await openNtfsImage(operands[0]!, options, log)
    try {
      return await dump(context, volume)
    } finally {
      await volume.close()
    }
  },
}

const EXCLUSIVE = [
  ['record', 'fixed'],
  ['slack', 'range'],
] as const

async function dump(context: Context, volume: NtfsVolume): Promise<ExitCode> {
  const { options, io } = context
  const { pieces, torn } = await choose(context, volume)
  let lost = torn
  const format = options.flag('json') ? dumpJson : dumpText
  await printParts(
    io,
    format(pieces, () => {
      lost = true
    }),
  )
  return lost ? EXIT.unreadable : EXIT.complete
}

async function choose(
  { operands, options, log }: Context,
  volume: NtfsVolume,
): Promise<{ pieces: AsyncGenerator<Piece>; torn: boolean }> {
  const wanted = options.value('range')
  const range = wanted === undefined ? undefined : parseRange(wanted)
  const target = parseTarget(operands[1]!)
  const find = () =>
    findTarget(volume, target, options.flag('deleted') ? () => readDeletedLinks(volume) : undefined)
  const slack = options.flag('slack')
  const fixed = options.flag('fixed')
  if (fixed || options.flag('record')) {
    const number = plainRecord(target) ?? (await recordOf(find))
    return recordBytes(volume, number, { fixed, slack, range, warn: (message) => log.warn(message) })
  }
  const { file, attribute = defaultAttribute(file) } = await find()
  if (!slack) return { pieces: attributePieces(volume, attribute, range), torn: false }
  if (attribute.value)
    log.info('it stands in its record: --fixed --slack shows what lies behind its attributes')
  return { pieces: slackPieces(volume, attribute), torn: false }
}

/** Of a record by its number nothing need be sound. */
const plainRecord = (target: Target): number | undefined =>
  target.kind === 'record' && !target.attribute && target.sequence === undefined ? target.record : undefined

/** The record that holds what was named. */
async function recordOf(find: () => ReturnType<typeof findTarget>): Promise<number> {
  const { file, attribute } = await find()
  return attribute?.record ?? file.reference.record
}
