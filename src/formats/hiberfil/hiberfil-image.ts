import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Facts } from '../image/facts.js'
import type { Image } from '../image/image.js'
import { isOnCalendar, unixNanoseconds } from '../ntfs/filetime.js'
import { decompressXpress } from '../ntfs/wof/xpress.js'
import { readExactly } from '../placed-runs.js'
import { METHOD } from './compression-set.js'
import { decodeHibernationHeader, HEADER_SIZE, type HibernationHeader, PAGE } from './header.js'
import { type PageSets, readPageSets } from './page-sets.js'
import { decompressPlainXpress } from './xpress-plain.js'

/** Sets that are kept decompressed: neighbouring pages often come from several. */
const MOST_KEPT = 32
/** e_machine. */
const MACHINE = { 64: 62n, 32: 3n } as const
const WENT_ON: Readonly<Record<string, string>> = {
  WAKE: 'Windows has gone on from this hibernation: it may be of long ago',
  RSTR: 'Windows was going on from this hibernation when it was taken',
  HORM: 'Windows starts from this hibernation again and again',
}

/**
 * Opens hiberfil.sys of Windows 8 to 11.
 * @throws {FormatError} where it is of an older Windows, was wiped, or holds no page
 */
export async function openHiberfil(source: ByteSource): Promise<Image> {
  const header = decodeHibernationHeader(Uint8Array.from(await source.read(0n, HEADER_SIZE)))
  const sets = await readPageSets(source, header)
  const { runs, broken, repeated } = sets
  const last = runs.at(-1)
  if (!last) throw new FormatError(broken[0] ?? 'a hibernation file without memory')
  const wentOn = WENT_ON[header.magic]
  return {
    format: 'hiberfil',
    variant: `${header.system} or later, ${header.bits} bit`,
    category: 'memory:physical',
    size: last.start + last.length,
    runs,
    holes: [],
    unit: PAGE,
    facts: factsOf(header),
    digests: [],
    checks: [],
    incomplete: broken.length > 0 ? broken.join('; ') : undefined,
    remarks: [
      'Windows leaves out of a hibernation what it does not need: free pages, and after a shutdown all processes',
      ...(wentOn === undefined ? [] : [wentOn]),
      ...(repeated > 0 ? [`pages that are there more than once: ${repeated}; the last copy counts`] : []),
    ],
    companions: [],
    read: pageReader(source, sets),
    async close() {},
  }
}

function factsOf({ bits, systemTime }: HibernationHeader): Facts {
  const time = isOnCalendar(systemTime) ? unixNanoseconds(systemTime) : -1n
  return { system: 'Windows', machine: MACHINE[bits], ...(time >= 0n && { acquisitionTime: time }) }
}

function pageReader(source: ByteSource, { find, place }: PageSets): Image['read'] {
  const kept = new Map<number, Bytes | FormatError>()

  async function decode(set: number): Promise<Bytes> {
    const { offset, size, pages, method } = place(set)
    const stored = await readExactly(source, offset, size, 'a set of pages lies')
    // A buffer of its own: what is read again has its place.
    if (size === pages * PAGE) return Uint8Array.from(stored)
    const output = Buffer.allocUnsafe(pages * PAGE)
    try {
      if (method === METHOD.PLAIN) decompressPlainXpress(stored, output)
      else if (method === METHOD.UNKNOWN) throw new FormatError('readers disagree on how it is compressed')
      else decompressXpress(stored, output)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      throw new FormatError(`a set of ${pages} pages is damaged: ${error.message}`, offset)
    }
    return output
  }

  async function content(set: number): Promise<Bytes> {
    const known = kept.get(set)
    const found = known ?? (await decode(set).catch(keepDamage))
    kept.delete(set)
    kept.set(set, found)
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!)
    if (found instanceof FormatError) throw found
    return found
  }

  return async (address, length, into) => {
    const target = into?.subarray(0, length) ?? Buffer.allocUnsafe(length)
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done)
      const page = find(at)
      if (!page) throw new FormatError(`address 0x${at.toString(16)} is not in the image`)
      const bytes = await content(page.set)
      const from = page.slot * PAGE
      const part = bytes.subarray(from + Number(at % BigInt(PAGE)), from + PAGE).subarray(0, length - done)
      target.set(part, done)
      done += part.length
    }
    return target
  }
}

function keepDamage(error: unknown): FormatError {
  if (error instanceof FormatError) return error
  throw error
}
