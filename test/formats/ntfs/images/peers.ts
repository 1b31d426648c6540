import { spawnSync } from 'node:child_process'
import { PATIENCE } from '../../../cli/shell.js'

/** The programs on the other side: The Sleuth Kit's fls, icat, istat; ntfs-3g's ntfscat, ntfsinfo. */

const LARGEST_OUTPUT = 1 << 28
/** Times are compared as text. */
const ENVIRONMENT = { ...process.env, TZ: 'UTC' }

/** @throws {Error} when the program is missing or refuses */
function output(program: string, ...words: string[]): Buffer {
  const { status, stdout, stderr, error } = spawnSync(program, words, {
    ...PATIENCE,
    env: ENVIRONMENT,
    maxBuffer: LARGEST_OUTPUT,
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: exit ${status}: ${stderr}`)
  return stdout
}

/** A line of `fls`: `address` is what icat takes. Names are UTF-8 in a string of bytes (latin1): not all are text. */
export interface Listed {
  readonly directory: boolean
  readonly deleted: boolean
  /** The record was given to another file since. */
  readonly reallocated: boolean
  readonly address: string
  readonly record: number
  readonly pathBytes: string
}

/** Everything that `fls -r -p` lists. */
export function fls(file: string, ...options: string[]): Listed[] {
  const lines = output('fls', '-r', '-p', ...options, file)
    .toString('latin1')
    .split('\n')
  return lines.flatMap((line) => {
    const match = /^(\S)\/(\S) (\* )?(\d+)((?:-\d+)*)(\(realloc\))?:\t(.*)$/.exec(line)
    if (!match) return []
    const [, , kind, deleted, record, rest, reallocated, pathBytes = ''] = match
    return {
      directory: kind === 'd',
      deleted: deleted !== undefined,
      reallocated: reallocated !== undefined,
      address: `${record}${rest}`,
      record: Number(record),
      pathBytes,
    }
  })
}

/** The bytes of a stream: `icat -r` for what is deleted. */
export const icat = (file: string, address: string | number, ...options: string[]): Buffer =>
  output('icat', ...options, file, String(address))

/** An attribute in the table of `istat`. */
export interface StatedAttribute {
  readonly type: number
  readonly id: number
  readonly name: string
  readonly resident: boolean
  readonly size: bigint
  readonly initialised?: bigint
}

export interface Stated {
  readonly sequence: number
  readonly links: number
  readonly allocated: boolean
  readonly attributes: StatedAttribute[]
  /** As printed, without the zone: of $STANDARD_INFORMATION first, then of a $FILE_NAME. */
  readonly times: Record<'created' | 'modified' | 'changed' | 'accessed', string>[]
  readonly text: string
}

export function istat(file: string, record: number, ...options: string[]): Stated {
  const text = output('istat', ...options, file, String(record)).toString()
  const number = (label: string) => Number(new RegExp(`\\b${label}: (\\d+)`).exec(text)?.[1])
  const table =
    /^Type: \S+ \((\d+)-(\d+)\) {3}Name: (.*?) {3}(Non-)?Resident.*? size: (\d+)(?: {2}init_size: (\d+))?/gm
  const times =
    /^Created:\t(.*) \(UTC\)\nFile Modified:\t(.*) \(UTC\)\nMFT Modified:\t(.*) \(UTC\)\nAccessed:\t(.*) \(UTC\)/gm
  return {
    sequence: number('Sequence'),
    links: number('Links'),
    allocated: /^Allocated/m.test(text),
    attributes: [...text.matchAll(table)].map(([, type, id, name, non, size, initialised]) => ({
      type: Number(type),
      id: Number(id),
      name: name === 'N/A' ? '' : name!,
      resident: non === undefined,
      size: BigInt(size!),
      ...(initialised === undefined ? {} : { initialised: BigInt(initialised) }),
    })),
    times: [...text.matchAll(times)].map(([, created, modified, changed, accessed]) => ({
      created: created!,
      modified: modified!,
      changed: changed!,
      accessed: accessed!,
    })),
    text,
  }
}

/** The bytes of a stream of a record; of `$DATA` unless another type is given. */
export function ntfscat(file: string, record: number, stream = '', type = 0x80): Buffer {
  const named = stream === '' ? [] : ['-n', stream]
  return output('ntfscat', '-f', '-a', `0x${type.toString(16)}`, ...named, '-i', String(record), file)
}

/** An attribute as it stands in one record. */
export interface InformedAttribute {
  readonly type: number
  /** The record it stands in. */
  readonly record: number
  readonly resident: boolean
  /** Of non-resident ones: VCN, LCN (undefined for a hole), length. */
  readonly runs: { readonly vcn: number; readonly lcn: number | undefined; readonly length: number }[]
}

/** What `ntfsinfo -v` tells of the attributes of a file, those in extension records too. */
export function ntfsinfo(file: string, record: number): InformedAttribute[] {
  const text = output('ntfsinfo', '-f', '-v', '-i', String(record), file).toString('latin1')
  const parts = text.split(/^Dumping attribute /m).slice(1)
  return parts.map((part) => {
    const [, type, holder] = /\(0x([0-9a-f]+)\) from mft record (\d+)/.exec(part) ?? []
    const runs = [...part.matchAll(/^\t\t\t(0x[0-9a-f]+)\t\t(0x[0-9a-f]+|<HOLE>)\t\t(0x[0-9a-f]+)/gm)]
    return {
      type: Number.parseInt(type!, 16),
      record: Number(holder),
      resident: /Resident: \t\t Yes/.test(part),
      runs: runs.map(([, vcn, lcn, length]) => ({
        vcn: Number(vcn),
        lcn: lcn === '<HOLE>' ? undefined : Number(lcn),
        length: Number(length),
      })),
    }
  })
}
