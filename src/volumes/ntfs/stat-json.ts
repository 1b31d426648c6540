import { toJson } from '../../cli/json.js'
import { mappedRuns } from './mapped-runs.js'
import type { StatReport } from './stat-report.js'

/** Runs in one text. */
const BATCH = 1024

/** One JSON object, in parts: numbers of address size as `0x…`, bytes in hexadecimal. */
export async function* statJson(report: StatReport): AsyncGenerator<string> {
  const { volume, record, facts, clusterCount } = report
  yield `${json({ volume, ...record, ...facts }).slice(0, -1)},"attributes":[`
  let comma = ''
  for await (const { facts, attribute } of report.attributes()) {
    yield `${comma}${json(facts).slice(0, -1)},"runs":[`
    let runs: string[] = []
    let before = ''
    for (const run of mappedRuns(attribute, clusterCount)) {
      runs.push(`${before}${JSON.stringify(run)}`)
      before = ','
      if (runs.length < BATCH) continue
      yield runs.join('')
      runs = []
    }
    yield `${runs.join('')}]}`
    comma = ','
  }
  yield `],"findings":${json(report.findings)}}\n`
}

const json = (value: unknown): string => toJson(plain(value))

/** The same with bytes in hexadecimal: Buffer has a JSON form of its own, which comes before any replacer. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
