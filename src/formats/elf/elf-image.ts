import type { ByteSource } from '../byte-source.js'
import { FACT_NAMES, type Facts, type MutableFacts, setFact } from '../image/facts.js'
import type { Image } from '../image/image.js'
import { type ElfCore, openElfCore } from './core-reader.js'

const PAGE = 4096

/** @throws {FormatError} as `openElfCore` */
export async function openElfImage(source: ByteSource): Promise<Image> {
  const core = await openElfCore(source)
  const last = [...core.runs, ...core.missing].reduce(
    (end, { start, length }) => (start + length > end ? start + length : end),
    0n,
  )
  return {
    format: 'elf',
    variant: `${core.bits} bit`,
    category: core.addresses === 'physical' ? 'memory:physical' : 'memory:virtual',
    size: last,
    runs: core.runs,
    holes: core.missing.map((run) => ({ ...run, content: 'unknown' })),
    unit: PAGE,
    facts: factsOf(core),
    digests: [],
    checks: [],
    incomplete: core.incomplete ? 'its writer did not finish it' : undefined,
    remarks: [],
    companions: [],
    read: core.read,
    async close() {},
  }
}

function factsOf({ header, notes }: ElfCore): Facts {
  const facts: MutableFacts = { machine: BigInt(header.machine) }
  for (const { name, desc } of notes) {
    const text = () => Buffer.from(desc).toString('latin1').replace(/\0.*$/s, '')
    if (name === 'VMCOREINFO') facts.vmcoreinfo = text()
    if (name === 'PMEM') Object.assign(facts, ownFacts(Buffer.from(desc).toString('utf8')))
  }
  return facts
}

/** What our own note tells: `facts` of its JSON, by their names. */
function ownFacts(json: string): Facts {
  const facts: MutableFacts = {}
  const told = parseObject(parseObject(json)?.facts)
  for (const name of FACT_NAMES) {
    const value = told?.[name]
    if (typeof value === 'string') setFact(facts, name, value)
  }
  return facts
}

function parseObject(value: unknown): Record<string, unknown> | undefined {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  try {
    return typeof value === 'string' ? parseObject(JSON.parse(value)) : undefined
  } catch {
    return undefined
  }
}
