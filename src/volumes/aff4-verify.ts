import { EXIT, type ExitCode, ToolError } from '../cli/exit.js'
import { toJson } from '../cli/json.js'
import { type Log, printable } from '../cli/messages.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import { showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import type { Finding, Outcome, Tick } from '../formats/aff4/verify/finding.js'
import { openForCheck } from '../formats/aff4/verify/open.js'
import { verifyVolumes } from '../formats/aff4/verify/verify.js'
import { FormatError } from '../formats/format-error.js'

const PROGRESS_MS = 500
/** Bytes that are checked before signals are heard and progress is told. */
const BREATH = 16 << 20
/** Characters of findings that are printed at once. */
const PRINTED = 1 << 16

/** aff4-verify: whether volumes hold what they say. */
export const tool: Tool = {
  name: 'aff4-verify',
  role: 'report',
  usage: 'VOLUME…',
  summary: 'check AFF4 volumes against what they say of themselves',
  options: { json: { help: 'a JSON object a line' }, ...SECRET_OPTIONS },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, io, log }) {
    const show = options.flag('json') ? asJson : asText
    const counts: Record<Outcome, number> = {
      matched: 0,
      mismatched: 0,
      unchecked: 0,
      uncheckable: 0,
      note: 0,
    }
    let waiting = ''
    const report = async (finding: Finding) => {
      counts[finding.outcome]++
      waiting += show(finding)
      if (waiting.length < PRINTED) return
      await io.print(waiting)
      waiting = ''
    }
    const breathe = createBreath(log, io.interrupted)
    try {
      const { volumes, structures } = await openForCheck(operands, secretsOf(options), report, breathe)
      if (volumes.length > 0) await verifyVolumes(volumes, structures, report, breathe)
    } catch (error) {
      // Damage that nobody thought of is damage all the same.
      if (!(error instanceof FormatError)) {
        log.clearProgress()
        await io.print(waiting)
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
    await io.print(waiting + (options.flag('json') ? '' : summary(counts)))
    return exitOf(counts)
  },
}

/** Nothing else waits here: files are read at once. */
function createBreath(log: Log, interrupted: AbortSignal): Tick {
  const began = performance.now()
  let shown = began
  let bytes = 0
  let since = 0

  async function breathe(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (interrupted.aborted) throw new ToolError(EXIT.incomplete, `interrupted by ${interrupted.reason}`)
    const now = performance.now()
    if (now - shown < PROGRESS_MS) return
    shown = now
    const rate = Math.round((bytes * 1000) / (now - began))
    log.progress(`${showSize(bytes)} checked, ${showSize(rate)}/s`, { bytes, rate })
  }

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
