import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import type { Tool } from '../cli/tool.js'
import { openForCheck } from '../formats/aff4/verify/open.js'
import { verifyVolumes } from '../formats/aff4/verify/verify.js'
import { tellFindings } from './findings.js'

/** aff4-verify: whether volumes hold what they say. */
export const tool: Tool = {
  name: 'aff4-verify',
  role: 'report',
  usage: 'VOLUME…',
  summary: 'check AFF4 volumes against what they say of themselves',
  options: { json: { help: 'a JSON object a line' }, ...SECRET_OPTIONS },
  operands: [1, Number.POSITIVE_INFINITY],
  run: (context) =>
    tellFindings(context, async (report, tick) => {
      const { operands, options } = context
      const { volumes, structures } = await openForCheck(operands, secretsOf(options), report, tick)
      if (volumes.length > 0) await verifyVolumes(volumes, structures, report, tick)
    }),
}
