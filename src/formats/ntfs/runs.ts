import type { Bytes } from '../byte-source.js'

/** A run of clusters of a stream. VCN and LCN are exact integers below 2^53. */
export interface ClusterRun {
  readonly vcn: number
  /** undefined: a hole. */
  readonly lcn: number | undefined
  readonly length: number
}

export interface RunList {
  readonly runs: readonly ClusterRun[]
  /** VCN behind the last run. */
  readonly endVcn: number
  /** What ended the list early, or was passed over in it. */
  readonly complaints: readonly string[]
}

const HIGHEST = Number.MAX_SAFE_INTEGER

/**
 * Mapping pairs: elements of one header byte (low nibble: bytes of length, high nibble: bytes of offset), the length,
 * and the signed difference to the LCN of the run before; no offset means a hole. A header of 0 ends them.
 * @param lowestVcn VCN of the first run
 */
export function decodeRuns(bytes: Bytes, lowestVcn: number): RunList {
  const runs: ClusterRun[] = []
  const complaints: string[] = []
  let vcn = lowestVcn
  let lcn = 0
  let at = 0
  const end = (complaint?: string): RunList => {
    if (complaint !== undefined) complaints.push(complaint)
    return { runs, endVcn: vcn, complaints }
  }
  for (;;) {
    if (at >= bytes.length) return end('the run list has no end')
    const header = bytes[at]!
    if (header === 0) return end()
    const lengthBytes = header & 15
    const offsetBytes = header >> 4
    if (lengthBytes === 0 || lengthBytes > 8 || offsetBytes > 8)
      return end(`the run list has an element that begins with ${hexByte(header)}`)
    const next = at + 1 + lengthBytes + offsetBytes
    if (next > bytes.length) return end('the run list is cut off')
    const length = readSigned(bytes, at + 1, lengthBytes)
    const delta = readSigned(bytes, at + 1 + lengthBytes, offsetBytes)
    at = next
    if (length < 0 || length > HIGHEST - vcn) return end(`a run claims ${length} clusters`)
    if (length === 0) {
      if (offsetBytes > 0) {
        complaints.push('a run of no clusters is passed over')
        lcn += delta
      }
      continue
    }
    if (offsetBytes === 0) {
      runs.push({ vcn, lcn: undefined, length })
    } else {
      lcn += delta
      if (lcn === -1) {
        // NTFS 1.x wrote holes so.
        complaints.push('a run at LCN -1 is taken for a hole')
        runs.push({ vcn, lcn: undefined, length })
      } else if (lcn < 0 || lcn > HIGHEST - length) return end(`a run lies at LCN ${lcn}`)
      else runs.push({ vcn, lcn, length })
    }
    vcn += length
  }
}

/** Little-endian, two's complement; beyond 2^53 no longer exact, which is beyond what is accepted, too. */
function readSigned(bytes: Bytes, at: number, size: number): number {
  if (size === 0) return 0
  let value = (bytes[at + size - 1]! << 24) >> 24
  for (let index = size - 2; index >= 0; index--) value = value * 256 + bytes[at + index]!
  return value
}

const hexByte = (byte: number) => `0x${byte.toString(16).padStart(2, '0')}`
