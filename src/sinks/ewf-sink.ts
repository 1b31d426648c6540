import type { Options } from '../cli/arguments.js'
import { DETERMINISTIC } from '../cli/deterministic.js'
import { EXIT, ToolError } from '../cli/exit.js'
import { parseSize, showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import type { MutableFacts } from '../formats/image/facts.js'
import { beginMedia } from './ewf/media-writer.js'
import { openSegmentOutputs } from './ewf/segment-outputs.js'
import { factsHeld, type SetSettings } from './ewf/set-description.js'
import { writeImage } from './memory-image.js'

/** Levels of zlib by the names that EWF has for them. */
const LEVELS: Readonly<Record<string, number>> = { none: 0, fast: 1, best: 9 }
/** As ewfacquire: two fit on a DVD. */
const SEGMENT_SIZE = 1_503_238_553n
const LEAST_SEGMENT = 1n << 20n
/** Readers of 32 bits take no more. */
const MOST_SEGMENT = (2n << 30n) - 1n

/** ewf-sink: a disk, a file or a memory as an EWF image. */
export const tool: Tool = {
  name: 'ewf-sink',
  role: 'sink',
  usage: 'OUT.E01',
  summary: 'write one stream as an EWF image (E01), for EnCase, FTK, X-Ways and Sleuth Kit',
  options: {
    'segment-size': { value: 'SIZE', help: 'most bytes of a segment file (1.4 GiB)' },
    level: {
      value: 'LEVEL',
      choices: Object.keys(LEVELS),
      help: 'none, fast (the default), best, or a level of zlib from 0 to 9',
    },
    case: { value: 'TEXT', help: 'case number' },
    evidence: { value: 'TEXT', help: 'evidence number' },
    examiner: { value: 'TEXT', help: 'name of the examiner' },
    description: { value: 'TEXT', help: 'description of the evidence' },
    notes: { value: 'TEXT', help: 'notes (those of the input, else its facts)' },
    deterministic: DETERMINISTIC,
  },
  operands: [1, 1],
  run(context) {
    const { options, log } = context
    const settings = { ...settingsOf(options), warn: log.warn }
    return writeImage(context, openSegmentOutputs(context), {
      tool: tool.name,
      holds: (evidence) => factsHeld(evidence, settings),
      begin: (outputs, evidence, announced) => beginMedia(outputs, evidence, announced, settings),
    })
  },
}

function settingsOf(options: Options): SetSettings {
  const caseData: MutableFacts = {}
  const set = (
    name: 'caseNumber' | 'evidenceNumber' | 'examiner' | 'description' | 'caseNotes',
    option: string,
  ) => {
    const value = options.value(option)
    if (value !== undefined) caseData[name] = value
  }
  set('caseNumber', 'case')
  set('evidenceNumber', 'evidence')
  set('examiner', 'examiner')
  set('description', 'description')
  set('caseNotes', 'notes')
  return {
    caseData,
    level: levelOf(options.value('level') ?? 'fast'),
    segmentSize: segmentSizeOf(options.value('segment-size')),
    deterministic: options.flag('deterministic'),
  }
}

function levelOf(text: string): number {
  const level = LEVELS[text] ?? (/^[0-9]$/.test(text) ? Number(text) : undefined)
  if (level === undefined)
    throw new ToolError(EXIT.usage, `--level ${text}: not none, fast, best or a number from 0 to 9`)
  return level
}

function segmentSizeOf(text: string | undefined): number {
  const size = text === undefined ? SEGMENT_SIZE : parseSize(text)
  if (size < LEAST_SEGMENT || size > MOST_SEGMENT)
    throw new ToolError(
      EXIT.usage,
      `--segment-size ${text}: not from ${showSize(LEAST_SEGMENT)} to less than ${showSize(MOST_SEGMENT + 1n)}`,
    )
  return Number(size)
}
