import path from 'node:path'
import type { DigestName } from '../../codecs/digest.js'
import type { ByteSource } from '../byte-source.js'
import { readBuffer } from '../read-buffer.js'

/** What `md5sum` and its kind write beside a file; LiME (`digest=sha1`) and others write bare digits. */
const SIDECARS: readonly { readonly algorithm: DigestName; readonly digits: number }[] = [
  { algorithm: 'md5', digits: 32 },
  { algorithm: 'sha1', digits: 40 },
  { algorithm: 'sha256', digits: 64 },
  { algorithm: 'sha512', digits: 128 },
]
/** A list of all the files of a case is smaller. */
const MOST_BYTES = 16 << 20

/** A file `FILE.md5` beside FILE: what it says of the bytes of that. */
export interface Sidecar {
  readonly name: string
  readonly algorithm: DigestName
  /** Lower-case hexadecimal; undefined where it holds none for the file. */
  readonly value: string | undefined
}

/**
 * The digests that stand in files beside a file: `DIGITS  NAME` of this name, or nothing but digits.
 * @param openFile gives undefined where there is no such file
 */
export async function readSidecars(
  file: string,
  openFile: (path: string) => ByteSource | undefined,
): Promise<Sidecar[]> {
  const found: Sidecar[] = []
  for (const { algorithm, digits } of SIDECARS) {
    const name = `${file}.${algorithm}`
    const source = openFile(name)
    if (!source) continue
    const text = (await readBuffer(source, 0n, MOST_BYTES)).toString('utf8')
    await source.close()
    found.push({ name, algorithm, value: digestIn(text, path.basename(file), digits) })
  }
  return found
}

/** @param name what the digest must be of, where the text says of what it is */
export function digestIn(text: string, name: string, digits: number): string | undefined {
  const line = new RegExp(`^\\\\?([0-9a-f]{${digits}})(?:[ \\t]+\\*?(.+))?$`, 'i')
  for (const one of text.split(/\r?\n/)) {
    const [, value, of] = line.exec(one) ?? []
    if (value !== undefined && (of === undefined || of.split(/[\\/]/).at(-1) === name))
      return value.toLowerCase()
  }
  return undefined
}
