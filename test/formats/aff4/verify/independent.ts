import { spawnSync } from 'node:child_process'
import type { Finding } from '../../../../src/formats/aff4/verify/finding.js'

/**
 * The stated digests that a reader of AFF4 in Python, which shares nothing with ours, found true in sets of volumes
 * that belong together, each as `subject property algorithm`.
 */
export function trueDigests(sets: readonly (readonly string[])[]): string[][] {
  const { stdout, stderr, status, error } = spawnSync(
    '/usr/bin/python3',
    ['-W', 'ignore', 'test/formats/aff4/independent-reader.py'],
    { input: JSON.stringify(sets), encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  if (error || status !== 0) throw new Error(`python3: ${error?.message ?? stderr}`)
  const found = JSON.parse(stdout) as string[][][]
  return found.map((digests) => digests.map((digest) => digest.join(' ')).sort())
}

/** The digests that ours found true, told alike. */
export const matchedDigests = (findings: readonly Finding[]): string[] =>
  findings
    .filter(({ outcome, property }) => outcome === 'matched' && /[Hh]ash /.test(property))
    .map(({ subject, property }) => {
      const [name, datatype] = property.split(' ')
      return `${subject} ${name} ${datatype!.toLowerCase()}`
    })
    .sort()
