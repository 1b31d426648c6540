import { EXIT, type ExitCode } from '../cli/exit.js'
import { toJson } from '../cli/json.js'
import { printable } from '../cli/messages.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import { showSize } from '../cli/sizes.js'
import type { Context, Tool } from '../cli/tool.js'
import type { Finding, Outcome, Tick } from '../formats/aff4/verify/finding.js'
import { openForCheck } from '../formats/aff4/verify/open.js'
import { verifyVolumes } from '../formats/aff4/verify/verify.js'
import { FormatError } from '../formats/format-error.js'
import { createBreath } from './breath.js'
import { createPrinter } from './printer.js'

/** Bytes that are checked before signals are heard and progress is told. */
const BREATH = 16 << 20

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
    const printer = createPrinter(io)
    const report = async (finding: Finding) => {
      counts[finding.outcome]++
      await printer.put(show(finding))
    }
    const breathe = createTick({ io, log })
    try {
      const { volumes, structures } = await openForCheck(operands, secretsOf(options), report, breathe)
      if (volumes.length > 0) await verifyVolumes(volumes, structures, report, breathe)
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
  },
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
