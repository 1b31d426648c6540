import { EXIT, type ExitCode } from '../cli/exit.js'
import { toJson } from '../cli/json.js'
import { printable } from '../cli/messages.js'
import { showSize } from '../cli/sizes.js'
import type { Context } from '../cli/tool.js'
import type { Finding, Outcome, Report, Tick } from '../formats/aff4/verify/finding.js'
import { FormatError } from '../formats/format-error.js'
import { createBreath } from './breath.js'
import { createPrinter } from './printer.js'

/** Bytes that are checked before signals are heard and progress is told. */
const BREATH = 16 << 20

/**
 * What a verifier does around its checks: prints what they find, as lines or as JSON objects, and shows progress.
 * @returns the exit status that follows from the findings
 */
export async function tellFindings(
  { operands, options, io, log }: Context,
  check: (report: Report, tick: Tick) => Promise<void>,
): Promise<ExitCode> {
  const show = options.flag('json') ? asJson : asText
  const counts: Record<Outcome, number> = {
    matched: 0,
    mismatched: 0,
    unchecked: 0,
    uncheckable: 0,
    note: 0,
  }
  const printer = createPrinter(io)
  const report = async (finding: Finding) => {
    counts[finding.outcome]++
    await printer.put(show(finding))
  }
  try {
    await check(report, createTick({ io, log }))
  } catch (error) {
    // Damage that nobody thought of is damage all the same.
    if (!(error instanceof FormatError)) {
      log.clearProgress()
      await printer.end()
      throw error
    }
    await report({
      outcome: 'mismatched',
      property: 'volume',
      subject: operands.join(', '),
      detail: error.message,
    })
  }
  log.clearProgress()
  if (!options.flag('json')) await printer.put(summary(counts))
  await printer.end()
  return exitOf(counts)
}

/** Nothing else waits here: files are read at once. */
function createTick(context: Pick<Context, 'io' | 'log'>): Tick {
  const began = performance.now()
  let bytes = 0
  let since = 0
  const breathe = createBreath(context, () => {
    const rate = Math.round((bytes * 1000) / (performance.now() - began))
    return { line: `${showSize(bytes)} checked, ${showSize(rate)}/s`, facts: { bytes, rate } }
  })
  return (count) => {
    bytes += count
    since += count
    if (since < BREATH) return undefined
    since = 0
    return breathe()
  }
}

function asText({ outcome, property, subject, detail, offset }: Finding): string {
  const where = offset === undefined ? '' : ` (at 0x${offset.toString(16)})`
  const why = detail === undefined ? '' : `: ${detail}`
  return `${printable(`${outcome.padEnd(11)}  ${property.padEnd(28)}  ${subject}${why}${where}`)}\n`
}

const asJson = (finding: Finding) => `${toJson(finding)}\n`

function summary(counts: Record<Outcome, number>): string {
  const { matched, mismatched, unchecked, uncheckable } = counts
  return `${matched} matched, ${mismatched} mismatched, ${unchecked} not checked, ${uncheckable} that nobody can check\n`
}

function exitOf({ mismatched, unchecked }: Record<Outcome, number>): ExitCode {
  if (mismatched > 0) return EXIT.mismatch
  return unchecked > 0 ? EXIT.unreadable : EXIT.complete
}
