import type { ByteSource } from '../byte-source.js'
import type { MutableFacts } from '../image/facts.js'
import type { Companion } from '../image/image.js'
import { sourceRange } from '../source-range.js'
import { buildOf, rootOfCr3 } from '../windows/kernel-values.js'

// WinPmem 1.5 and 1.6 (tools/windows/winpmem/executable/winpmem.cpp): YAML behind the runs, from `# PMEM` to `...`.
// A program header of its own type leads to it. A page file stands behind it, and behind that a second YAML at the
// very end of the file, which no header leads to.

export const PT_PMEM = 0x6d656d70
const MOST_METADATA = 1 << 20
const MOST_LAST = 4096
const BEGIN = '# PMEM\n---\n'
const END = '\n...\n'

export interface WinpmemMetadata {
  readonly facts: MutableFacts
  /** `WinPMEM 1.6.2`. */
  readonly tool: string | undefined
  readonly pageFile: Companion | undefined
  readonly remarks: readonly string[]
}

/** Reads what WinPmem tells. @param offset of its YAML @param size of it in bytes */
export async function readWinpmemMetadata(
  source: ByteSource,
  offset: bigint,
  size: bigint,
): Promise<WinpmemMetadata> {
  const length = Number(size < MOST_METADATA ? size : MOST_METADATA)
  const first = parseMetadata(textOf(offset < source.size ? await source.read(offset, length) : Buffer.of()))
  const tail = source.size > MOST_LAST ? source.size - BigInt(MOST_LAST) : 0n
  const end = textOf(await source.read(tail, MOST_LAST))
  const last = parseMetadata(end.slice(Math.max(end.lastIndexOf(BEGIN), 0)))
  const pageFile = pageFileOf(source, last)
  const remarks = [
    ...(first.size === 0 ? ['the metadata of WinPmem is not there or damaged'] : []),
    ...(!pageFile && source.size > offset + size
      ? ['bytes behind the metadata of WinPmem: perhaps a page file that was cut off']
      : []),
  ]
  return { facts: factsOf(first), tool: first.get('acquisition_tool'), pageFile, remarks }
}

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n')

/** The scalars of a YAML document as WinPmem writes it. */
function parseMetadata(text: string): ReadonlyMap<string, string> {
  if (!text.startsWith(BEGIN)) return new Map()
  const end = text.indexOf(END)
  const body = text.slice(BEGIN.length, end < 0 ? 0 : end)
  const pairs = [...body.matchAll(/^(\w+): *(.*)$/gm)]
  return new Map(pairs.map(([, key, value]) => [key!, value!.replace(/^'(.*)'$/, '$1')]))
}

function factsOf(metadata: ReadonlyMap<string, string>): MutableFacts {
  const facts: MutableFacts = {}
  const [cr3, build, tool] = [
    number(metadata, 'CR3'),
    number(metadata, 'NtBuildNumber'),
    metadata.get('acquisition_tool'),
  ]
  const [buildAddress, kernel] = [number(metadata, 'NtBuildNumberAddr'), number(metadata, 'KernBase')]
  const time = timeOf(metadata.get('acquisition_timestamp'))
  if (metadata.size > 0) facts.system = 'Windows'
  if (cr3) {
    facts.cr3 = cr3
    facts.pageTableRoot = rootOfCr3(cr3)
  }
  if (build) facts.ntBuild = buildOf(build)
  if (buildAddress) facts.ntBuildNumberAddress = buildAddress
  if (kernel) facts.ntKernelBase = kernel
  if (tool) facts.acquisitionTool = tool
  if (time !== undefined) facts.acquisitionTime = time
  return facts
}

/** What is 0 is not known. */
function number(metadata: ReadonlyMap<string, string>, key: string): bigint | undefined {
  const text = metadata.get(key) ?? ''
  const value = /^(0x[0-9a-f]{1,16}|[0-9]{1,20})$/i.test(text) ? BigInt(text) : 0n
  return value === 0n ? undefined : value
}

/** asctime of a time in UTC: `Sat Nov 23 05:06:54 2013`. */
function timeOf(text = ''): bigint | undefined {
  if (!/^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/.test(text)) return undefined
  const time = Date.parse(`${text} UTC`)
  return Number.isNaN(time) ? undefined : BigInt(time) * 1_000_000n
}

function pageFileOf(source: ByteSource, metadata: ReadonlyMap<string, string>): Companion | undefined {
  const [offset, size] = [number(metadata, 'PagefileOffset'), number(metadata, 'PagefileSize')]
  if (offset === undefined || size === undefined || offset + size > source.size) return undefined
  const name = 'pagefile.sys'
  return {
    name,
    category: 'memory:pagefile',
    source: { ...sourceRange(source, offset, size, name), close: async () => {} },
  }
}
