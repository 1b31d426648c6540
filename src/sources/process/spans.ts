import { isDamage } from '../../formats/format-error.js'
import { populatedParts } from '../../platform/linux/pagemap.js'
import { type Mapping, mappingKind } from '../../platform/linux/process-maps.js'
import type { SystemFile } from '../../platform/system-files.js'
import type { Span } from '../address-space-frames.js'

/** Offsets reach the kernel as signed numbers; above are only pages of the kernel. */
const OFFSET_LIMIT = 1n << 63n

/**
 * All mappings in ascending order: what to read, and what holds nothing or must not be read.
 * @param pagemap /proc/PID/pagemap, undefined where it can't be read
 */
export async function* mappingSpans(
  mappings: readonly Mapping[],
  pagemap: SystemFile | undefined,
  pageSize: bigint,
): AsyncGenerator<Span> {
  for (const mapping of mappings) {
    const { start, length, path } = mapping
    const kind = mappingKind(mapping)
    if (kind === 'kernel' || start + length > OFFSET_LIMIT)
      yield notRead(mapping, 'info', `${path}: the kernel's own page, not read`)
    else if (kind === 'device') yield notRead(mapping, 'warning', `${path}: a device, not read`)
    else if (kind === 'anonymous') yield* anonymousSpans(mapping, pagemap, pageSize)
    else yield { start, length }
  }
}

/** A process may reserve a thousand times of what it uses: only pages that it has touched are read. */
async function* anonymousSpans(
  mapping: Mapping,
  pagemap: SystemFile | undefined,
  pageSize: bigint,
): AsyncGenerator<Span> {
  const { start, length } = mapping
  let at = start
  try {
    if (pagemap)
      for await (const { populated, ...part } of populatedParts(pagemap.read, { start, length }, pageSize)) {
        yield populated ? part : { ...part, fill: 'zero' }
        at = part.start + part.length
      }
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  const end = start + length
  if (at < end) yield untoldSpan({ ...mapping, start: at, length: end - at })
}

/** Where pagemap can't be read. */
const untoldSpan = (mapping: Mapping): Span =>
  mapping.permissions.startsWith('---')
    ? notRead(mapping, 'warning', 'a reservation, not read: pagemap does not tell what is in use')
    : { start: mapping.start, length: mapping.length }

function notRead({ start, length }: Mapping, level: 'info' | 'warning', message: string): Span {
  return { start, length, fill: 'unknown', note: { level, message } }
}
