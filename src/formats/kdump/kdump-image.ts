import { endOfRuns, firstIndex, mergeRuns, type Run } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { blocksOfNote } from '../elf/own-note.js'
import { openFlat } from '../flat/flat-source.js'
import { isFlat } from '../flat/records.js'
import { FormatError } from '../format-error.js'
import type { Hole, Image, Surroundings } from '../image/image.js'
import { applyMap } from '../image/image-map.js'
import type { PageRun } from './bitmaps.js'
import { remarksOn, variantOf, whyIncomplete } from './dump-account.js'
import { belongTogether, type DumpFile, findAbsent, openDumpFile } from './dump-file.js'
import { isKdump } from './dump-header.js'
import { readDumpFacts } from './kdump-facts.js'

/**
 * A kernel dump of kdump-compressed form, from one file or from its parts in any order.
 * @throws {FormatError} with the offset, where it is not what the format demands
 */
export async function openKdump(source: ByteSource, surroundings: Surroundings): Promise<Image> {
  const files = [await openDumpFile(source)]
  files.push(...(await openParts(files[0]!, surroundings)))
  files.sort((a, b) => a.about.first - b.about.first)
  const [{ about }] = files as [DumpFile]
  const gaps = gapsBetween(files, about.pages)
  const absent = await findAbsent(files[0]!, gaps)
  const page = BigInt(about.blockSize)
  const runs = mergeRuns(files.flatMap(({ held }) => held.map((run) => runOf(run, page))))
  const unknown = [...absent, ...files.flatMap(({ excluded, lost }) => [...excluded, ...lost])]
  const holes = mergeRuns(unknown.map((run) => runOf(run, page))).map(
    (run): Hole => ({ ...run, content: 'unknown' }),
  )
  const size = endOfRuns([...runs, ...holes])
  if (size === 0n) throw new FormatError('bitmaps without a single page', about.bitmapsAt)
  const { facts, own, remarks } = await readDumpFacts(files[0]!.source, about)
  const image: Image = {
    format: 'kdump',
    variant: variantOf(files),
    category: 'memory:physical',
    size,
    runs,
    holes,
    unit: about.blockSize,
    facts,
    digests: [],
    checks: [],
    incomplete: whyIncomplete(files, own, gaps, absent.length > 0),
    remarks: [...remarksOn(files[0]!), ...remarks],
    companions: [],
    read: readerOf(files, about.blockSize),
    async close() {},
  }
  return own ? applyMap(image, blocksOfNote(own)) : image
}

/** The other parts, of what the user has named. */
async function openParts(first: DumpFile, { parts, openFile }: Surroundings): Promise<DumpFile[]> {
  const found: DumpFile[] = []
  if (!first.about.split) return found
  for (const name of [...parts]) {
    const file = openFile(name)
    const head = file && (await file.read(0n, 16))
    if (!file || !head || !(isKdump(head) || isFlat(head))) continue
    const part = await openDumpFile(isFlat(head) ? (await openFlat(file)).content : file)
    const together = [first, ...found].map((other) => belongTogether(other.about, part.about))
    if (together.includes(false)) continue
    found.push(part)
    parts.splice(parts.indexOf(name), 1)
  }
  return found
}

const runOf = ({ first, count }: PageRun, page: bigint): Run => ({
  start: BigInt(first) * page,
  length: BigInt(count) * page,
})

/** Pages that no part is about. */
function gapsBetween(files: readonly DumpFile[], pages: number): PageRun[] {
  const gaps: PageRun[] = []
  let at = 0
  for (const { about } of files) {
    if (about.first > at) gaps.push({ first: at, count: about.first - at })
    at = about.end
  }
  if (at < pages) gaps.push({ first: at, count: pages - at })
  return gaps
}

function readerOf(files: readonly DumpFile[], page: number): Image['read'] {
  const held = files.flatMap((file) => file.held.map((run) => ({ ...run, file })))
  const edge = Buffer.alloc(page)

  function locate(number: number) {
    const found = held[firstIndex(held.length, (i) => held[i]!.first > number) - 1]
    if (found && number < found.first + found.count) return found
    throw new FormatError(`address 0x${(BigInt(number) * BigInt(page)).toString(16)} is not in the image`)
  }

  return async (address, length, into): Promise<Bytes> => {
    const bytes = into?.subarray(0, length) ?? Buffer.allocUnsafe(length)
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done)
      const number = Number(at / BigInt(page))
      const skip = Number(at % BigInt(page))
      const { first, count, file } = locate(number)
      const left = length - done
      const whole = skip > 0 ? 0 : Math.min(Math.floor(left / page), first + count - number)
      if (whole > 0) {
        const target = bytes.subarray(done, done + whole * page)
        await file.pages.read(number, Buffer.from(target.buffer, target.byteOffset, target.length))
        done += whole * page
      } else {
        await file.pages.read(number, edge)
        const here = Math.min(page - skip, left)
        bytes.set(edge.subarray(skip, skip + here), done)
        done += here
      }
    }
    return bytes
  }
}
