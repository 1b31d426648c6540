import fs from 'node:fs'
import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import { asToolError } from '../../cli/failure.js'
import {
  type Outcome,
  type Output,
  openFileOutput,
  openOutput,
  partialName,
  settleFile,
} from '../../cli/output.js'
import type { Context } from '../../cli/tool.js'
import { segmentName } from '../../formats/ewf/segment-names.js'
import type { SegmentFile } from '../../formats/ewf/writer/segment.js'
import type { SegmentFiles } from '../../formats/ewf/writer/set.js'
import { removeFile } from '../../formats/remove-file.js'
import type { Target } from '../memory-image.js'
import { sinkOutput } from '../sink-output.js'

/** The files of a set, or the one stream that a pipe takes. */
export interface SegmentOutputs extends Target, SegmentFiles {}

/**
 * Opens the output of a set. The segments are partial until all of them are complete; the first one takes its final
 * name last, so that a set is never taken for whole before it is.
 * @param context its operand is the name of the first segment, `-`, a device or a named pipe
 * @throws {ToolError} when a part of the set exists, or the name is that of no first segment
 */
export function openSegmentOutputs(context: Pick<Context, 'operands' | 'options'>): SegmentOutputs {
  const target = context.operands[0]!
  const replace = context.options.flag('truncate')
  const first = sinkOutput(context)
  const { space } = first
  if (!first.seekable) return oneStream(first)
  if (!/\.e01$/i.test(target))
    throw new ToolError(EXIT.usage, `${target}: the first segment of a set ends in .E01`, {
      hint: 'readers find the others by their names: .E02, .E03 …',
    })
  if (!replace) refuseSegments(target)
  const segments: SegmentOutput[] = []
  return {
    name: first.name,
    path: first.path,
    space,
    seekable: true,
    async open(number) {
      // The one before may be taken up again where this one does not come to hold anything.
      await segments.at(-2)?.park()
      const output = number === 1 ? first : openOutput(nameOf(target, number), replace, () => space)
      const segment = segmentOutput(output, replace)
      segments.push(segment)
      return segment
    },
    async drop(number) {
      await segments[number - 1]!.truncate(0n)
    },
    async finish(outcome) {
      if (replace && outcome.status === 'complete') removeOthers(target, segments.length)
      let kept: string | undefined
      for (const segment of segments.toReversed()) kept = await segment.finish(outcome)
      return kept
    },
  }
}

interface SegmentOutput extends SegmentFile {
  /** Closes the file, of which only places are written again: a set has more segments than a process open files. */
  park(): Promise<void>
  finish: Output['finish']
}

function segmentOutput(output: Output, replace: boolean): SegmentOutput {
  const { name, path: partial } = output
  let parked = false
  return {
    name,
    seekable: true,
    get position() {
      return output.position
    },
    write: output.write,
    truncate: output.truncate,
    async writeAt(offset, bytes) {
      if (!parked) return output.writeAt(offset, bytes)
      const again = openFileOutput(name, partial, {
        open: () => fs.openSync(partial, 'r+'),
        settle: () => partial,
      })
      await again.writeAt(offset, bytes)
      await again.finish(UNFINISHED)
    },
    async park() {
      if (parked) return
      await output.finish(UNFINISHED)
      parked = true
    },
    async finish(outcome) {
      if (!parked) return output.finish(outcome)
      return outcome.status === 'complete' ? settleFile(partial, name, replace) : partial
    },
  }
}

/** Whatever becomes of a file in the end, it is partial as yet. */
const UNFINISHED: Outcome = { status: 'interrupted', unreadable: false }

function oneStream(output: Output): SegmentOutputs {
  return {
    name: output.name,
    path: output.path,
    space: output.space,
    seekable: false,
    async open(number) {
      if (number > 1)
        throw new ToolError(EXIT.data, `${output.name}: one stream takes one segment`, {
          hint: 'a regular file has others beside it',
        })
      return output
    },
    drop: async () => {},
    finish: output.finish,
  }
}

function nameOf(target: string, number: number): string {
  const name = segmentName(target, number)
  if (name === undefined)
    throw new ToolError(EXIT.data, `${target}: a set has at most ${number - 1} segments`, {
      hint: '--segment-size makes them larger',
    })
  return name
}

/** A reader takes whatever has the name of a segment for a part of the set. */
function refuseSegments(target: string): void {
  const { dir } = path.parse(target)
  const stems = [target, partialName(target)].map((name) => path.basename(name).slice(0, -2).toLowerCase())
  for (const name of namesIn(dir || '.')) {
    const other = /^(.*\.e)\d\d$/.exec(name.toLowerCase())?.[1]
    if (other !== undefined && stems.includes(other))
      throw new ToolError(EXIT.cannotCreate, `${path.join(dir, name)}: file exists`, {
        hint: '-t replaces the set',
      })
  }
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch (error) {
    throw new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })
  }
}

/** Of the set that is replaced: the first segment ahead of any other change, and what would follow the last new one. */
function removeOthers(target: string, count: number): void {
  if (count > 1 || fs.existsSync(nameOf(target, 2))) removeFile(target)
  for (const stem of [target, partialName(target)])
    for (let number = count + 1; ; number++) {
      const name = segmentName(stem, number)
      if (name === undefined || !fs.existsSync(name)) break
      removeFile(name)
    }
}
