import { mergeRuns, type Run } from '../../formats/address-space.js'
import { FormatError } from '../../formats/format-error.js'

// /proc/iomem, one resource a line (kernel/resource.c, r_show): two spaces of indent per level,
// "start-end : name", hexadecimal without 0x, the end inclusive:
//
//     00100000-0ffd6fff : System RAM
//       0b000000-0be01ef1 : Kernel code

const LINE = /^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)$/
/** Since Linux 5.8 hot-plugged RAM names its driver, and lies below a resource that is not RAM. */
const RAM = /^System RAM(?: \(.*\))?$/

/** One resource; `end` is exclusive, `depth` 0 at the top. */
export interface Resource {
  readonly depth: number
  readonly start: bigint
  readonly end: bigint
  readonly name: string
}

/**
 * Reads the text of /proc/iomem.
 * @throws {FormatError} naming the line that is none of a resource
 */
export function parseIomem(text: string): Resource[] {
  const resources: Resource[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue
    const [, indent, first, last, name] = LINE.exec(line) ?? []
    if (indent === undefined || first === undefined || last === undefined || name === undefined)
      throw new FormatError(
        `line ${index + 1} is not "start-end : name": ${JSON.stringify(line.slice(0, 80))}`,
      )
    const start = BigInt(`0x${first}`)
    const end = BigInt(`0x${last}`) + 1n
    if (end <= start) throw new FormatError(`line ${index + 1} ends before it starts: ${line.slice(0, 80)}`)
    resources.push({ depth: indent.length / 2, start, end, name })
  }
  return resources
}

/** The resources that are RAM, at whatever depth; what lies inside one is part of it. */
export function systemRam(resources: readonly Resource[]): Resource[] {
  const ram: Resource[] = []
  let inside = Number.POSITIVE_INFINITY
  for (const resource of resources) {
    if (resource.depth > inside) continue
    inside = Number.POSITIVE_INFINITY
    if (!RAM.test(resource.name)) continue
    inside = resource.depth
    ram.push(resource)
  }
  return ram
}

/** Without CAP_SYS_ADMIN the kernel prints every address as 0: there is RAM, but not where. */
export function addressesHidden(resources: readonly Resource[]): boolean {
  return resources.length > 0 && resources.every((resource) => resource.start === 0n && resource.end === 1n)
}

/**
 * RAM as whole pages: kernel and kcore have no partial ones. Joined after rounding, so that
 * 0x1000-0x9fbff does not glue itself to what follows.
 * @throws {FormatError} when two resources overlap
 */
export function ramRuns(ram: readonly Resource[], pageSize: bigint): Run[] {
  const mask = -pageSize
  const runs = ram.map(({ start, end }) => {
    const first = (start + pageSize - 1n) & mask
    return { start: first, length: (end & mask) - first }
  })
  try {
    return mergeRuns(runs)
  } catch (error) {
    if (error instanceof RangeError) throw new FormatError(`System RAM: ${error.message}`)
    throw error
  }
}
