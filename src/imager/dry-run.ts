import fs from 'node:fs'
import path from 'node:path'
import { EXIT, type ExitCode, type ToolError } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import { toJson } from '../cli/json.js'
import { printable } from '../cli/messages.js'
import { openOutput } from '../cli/output.js'
import { showSize } from '../cli/sizes.js'
import { type FileSystem, fileSystemOf, type Space, spaceFor } from '../cli/space.js'
import type { Context } from '../cli/tool.js'
import { type Estimate, estimates } from './estimates.js'
import type { Plan } from './plan.js'
import { shellLine } from './shell.js'
import { isMemory, type SurveyedStream, type SurveySettings, survey, tellFailures } from './survey.js'

/** Streams that are listed for people. */
const MOST_LISTED = 20

/** What a plan would do. */
interface Forecast {
  readonly streams: readonly SurveyedStream[]
  readonly formats: readonly (Estimate & { chosen: boolean; fits: boolean | undefined })[]
  readonly output: string
  /** Of the output, where it is to be a file. */
  readonly fileSystem: FileSystem | undefined
  /** Why it would be refused. */
  readonly refusal: ToolError | undefined
}

/**
 * Shows what a plan would read and write, and what that takes: neither is done.
 * @returns the status with which the plan would be refused, or a source that has nothing to send
 * @throws {ToolError} where the output could not be created, or no source has anything to send
 */
export async function dryRun(
  plan: Plan,
  context: Pick<Context, 'options' | 'io'>,
  settings: SurveySettings,
): Promise<ExitCode> {
  const { options, io } = context
  const output = options.value('output')!
  const space = spaceOf(plan, context)
  const found = await survey(plan.sources, settings)
  if (found.streams.length === 0 && found.failures.length > 0) throw found.failures[0]
  const forecast = forecastOf(plan, found.streams, output, space)
  const pipeline = shellLine(plan)
  await io.print(
    options.flag('json') ? `${toJson(asJson(forecast, pipeline))}\n` : asText(forecast, pipeline),
  )
  tellFailures(found, settings.log)
  if (forecast.refusal) throw forecast.refusal
  return found.failures.length > 0 ? asToolError(found.failures[0]).exitCode : EXIT.complete
}

/** The room for the output; a volume that is there is appended to. */
function spaceOf({ sink }: Plan, { options }: Pick<Context, 'options'>): Space {
  const output = options.value('output')!
  const replace = options.flag('truncate')
  if (sink.tool === 'aff4-sink' && !replace && output !== '-' && fs.existsSync(output))
    return spaceFor(output, options, {})
  return openOutput(output, replace, (freed) => spaceFor(output, options, { freed })).space
}

function forecastOf(plan: Plan, streams: readonly SurveyedStream[], output: string, space: Space): Forecast {
  const isFile = output !== '-' && (!fs.existsSync(output) || fs.statSync(output).isFile())
  const fileSystem = isFile ? fileSystemOf(path.dirname(output)) : undefined
  const chosen = chosenBy(plan)
  const formats = estimates(streams).map((estimate) => ({
    ...estimate,
    chosen: estimate.format === chosen.format && estimate.codec === chosen.codec,
    fits: fileSystem && estimate.bytes <= fileSystem.free,
  }))
  const first = streams[0]
  const needed = first && (chosen.format === 'raw' ? first.size : first.bytes)
  return { streams, formats, output, fileSystem, refusal: space.lacks(needed ?? 0n) }
}

function chosenBy({ sink, transforms }: Plan): { format: string; codec?: string } {
  const codec = transforms[0]?.words[0]
  return { format: sink.tool.replace('-sink', ''), ...(codec !== undefined && { codec }) }
}

const total = (streams: readonly SurveyedStream[]) => streams.reduce((sum, { bytes }) => sum + bytes, 0n)

function asJson({ streams, formats, output, fileSystem, refusal }: Forecast, pipeline: string) {
  return {
    pipeline,
    streams,
    bytes: total(streams),
    formats,
    output,
    fileSystem,
    refusal: refusal?.message,
  }
}

function asText({ streams, formats, output, fileSystem }: Forecast, pipeline: string): string {
  const lines = [pipeline, '']
  for (const stream of streams.slice(0, MOST_LISTED)) lines.push(...describeStream(stream))
  if (streams.length > MOST_LISTED) lines.push(`and ${streams.length - MOST_LISTED} more (--json lists them)`)
  lines.push(`${showSize(total(streams))} in all, not compressed`, '')
  if (fileSystem)
    lines.push(`${output}: ${showSize(fileSystem.free)} are free, of ${showSize(fileSystem.size)}`)
  for (const { format, codec, stream, bytes, sampled, fits, chosen } of formats) {
    const name = `${format}${codec === undefined ? '' : ` ${codec}`}`
    const size = `${sampled ? 'about ' : ''}${showSize(bytes)}`
    const notes = [
      ...(stream !== undefined && streams.length > 1 ? [`${stream} alone`] : []),
      ...(fits === undefined ? [] : [fits ? 'fits' : 'does not fit']),
      ...(chosen ? ['as asked for'] : []),
    ]
    lines.push(`  ${name.padEnd(12)} ${size.padStart(16)}${notes.length > 0 ? `  ${notes.join(', ')}` : ''}`)
  }
  return `${lines.map(printable).join('\n')}\n`
}

function describeStream(stream: SurveyedStream): string[] {
  const { name, category, bytes, ranges, sampled } = stream
  const kind = category === undefined ? '' : ` (${category})`
  const sample = sampled > 0n ? `, ${showSize(sampled)} of it sampled` : ''
  const head = `${name}${kind}: ${showSize(bytes)}${sample}`
  if (!isMemory(stream)) return [head]
  return [
    head,
    ...ranges.map(
      ({ start, length }) =>
        `  0x${start.toString(16)}-0x${(start + length).toString(16)}  ${showSize(length)}`,
    ),
  ]
}
