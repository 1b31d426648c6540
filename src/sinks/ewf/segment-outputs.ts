import fs from 'node:fs'
import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import { asToolError } from '../../cli/failure.js'
import { type Output, openOutput, partialName } from '../../cli/output.js'
import { segmentName } from '../../formats/ewf/segment-names.js'
import type { SegmentFiles } from '../../formats/ewf/writer/set.js'
import { removeFile } from '../../formats/remove-file.js'
import type { Target } from '../memory-image.js'

/** The files of a set, or the one stream that a pipe takes. */
export interface SegmentOutputs extends Target, SegmentFiles {}

/**
 * Opens the output of a set. The segments are partial until all of them are complete; the first one takes its final
 * name last, so that a set is never taken for whole before it is.
 * @param target the name of the first segment, `-`, a device or a named pipe
 * @throws {ToolError} when a part of the set exists, or the name is that of no first segment
 */
export function openSegmentOutputs(target: string, replace: boolean): SegmentOutputs {
  const first = openOutput(target, replace)
  if (!first.seekable) return oneStream(first)
  if (!/\.e01$/i.test(target))
    throw new ToolError(EXIT.usage, `${target}: the first segment of a set ends in .E01`, {
      hint: 'readers find the others by their names: .E02, .E03 …',
    })
  if (!replace) refuseSegments(target)
  const outputs = [first]
  return {
    name: first.name,
    path: first.path,
    seekable: true,
    open(number) {
      if (number > 1) outputs.push(openOutput(nameOf(target, number), replace))
      return outputs[number - 1]!
    },
    async drop(number) {
      await outputs[number - 1]!.truncate(0n)
    },
    async finish(outcome) {
      if (replace && outcome.status === 'complete') await removeOthers(target, outputs.length)
      let kept: string | undefined
      for (const output of outputs.toReversed()) kept = await output.finish(outcome)
      return kept
    },
  }
}

function oneStream(output: Output): SegmentOutputs {
  return {
    name: output.name,
    path: output.path,
    seekable: false,
    open(number) {
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
async function removeOthers(target: string, count: number): Promise<void> {
  if (count > 1 || fs.existsSync(nameOf(target, 2))) removeFile(target)
  for (const stem of [target, partialName(target)])
    for (let number = count + 1; ; number++) {
      const name = segmentName(stem, number)
      if (name === undefined || !fs.existsSync(name)) break
      removeFile(name)
    }
}
