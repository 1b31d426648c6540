import { openDigests } from '../../codecs/digest.js'
import type { Report, Tick } from '../../formats/aff4/verify/finding.js'
import type { ByteSource } from '../../formats/byte-source.js'
import type { Sidecar } from '../../formats/image/sidecar.js'

const PIECE = 1 << 20

/** Compares the bytes of a file, whatever they are, with the digests that stand in files beside it. */
export async function verifySidecars(
  file: ByteSource,
  sidecars: readonly Sidecar[],
  report: Report,
  tick: Tick,
): Promise<void> {
  const digests = openDigests(
    sidecars.flatMap(({ algorithm, value }) => (value === undefined ? [] : [algorithm])),
  )
  const room = Buffer.allocUnsafe(PIECE)
  for (let at = 0n; at < file.size; ) {
    const bytes = await file.read(at, PIECE, room)
    if (bytes.length === 0) break
    digests.update(bytes)
    at += BigInt(bytes.length)
    await tick(bytes.length)
  }
  const values = digests.values()
  for (const { name, algorithm, value } of sidecars) {
    const finding = { property: `hash ${algorithm.toUpperCase()}`, subject: file.name }
    const found = values.get(algorithm)
    if (value === undefined)
      await report({ ...finding, outcome: 'unchecked', detail: `${name} holds none of this file` })
    else if (found === value) await report({ ...finding, outcome: 'matched', detail: `as ${name} says` })
    else await report({ ...finding, outcome: 'mismatched', detail: `is ${found}, ${name} says ${value}` })
  }
}
