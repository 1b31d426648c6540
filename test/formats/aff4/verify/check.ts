import type { Finding } from '../../../../src/formats/aff4/verify/finding.js'
import { type Opened, openSource } from '../../../../src/formats/aff4/verify/open.js'
import { verifyVolumes } from '../../../../src/formats/aff4/verify/verify.js'
import type { ByteSource, Bytes } from '../../../../src/formats/byte-source.js'
import { bufferSource } from '../../buffer-source.js'

/** Everything that is found out about volumes that belong together. */
export const check = (...volumes: Bytes[]): Promise<Finding[]> =>
  checkSources(...volumes.map((bytes, index) => bufferSource(bytes, `volume ${index}`)))

/** The same of volumes that may be files. */
export async function checkSources(...volumes: ByteSource[]): Promise<Finding[]> {
  const findings: Finding[] = []
  const report = async (finding: Finding) => void findings.push(finding)
  const opened: Opened = { volumes: [], structures: new Map() }
  for (const source of volumes) await openSource(opened, source, undefined, report, () => undefined)
  if (opened.volumes.length > 0)
    await verifyVolumes(opened.volumes, opened.structures, report, () => undefined)
  return findings
}

/** Those that make a verifier fail. */
export const faults = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ outcome }) => outcome === 'mismatched')

/** A finding as one line, for what a test expects. */
export const told = ({ outcome, property, subject, detail }: Finding): string =>
  [outcome, property, subject, ...(detail === undefined ? [] : [detail])].join(' | ')
