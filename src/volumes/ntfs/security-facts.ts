import type { NtfsFile } from '../../formats/ntfs/file.js'
import { decodeSecurityDescriptor } from '../../formats/ntfs/security/descriptor.js'
import { readFileSecurity } from '../../formats/ntfs/security/file-security.js'
import { formatSddl } from '../../formats/ntfs/security/sddl.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

export interface SecurityFacts {
  /** null: the descriptor is an attribute of the file. */
  readonly id: number | null
  readonly owner?: string
  readonly group?: string
  readonly sddl: string
}

/** Who owns a file, and who may do what with it; undefined, and complained about, where it cannot be read. */
export async function securityFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  complain: (what: string) => void,
): Promise<SecurityFacts | undefined> {
  try {
    const found = await readFileSecurity(volume, file, ({ message }) => complain(message))
    if (!found) return undefined
    const descriptor = decodeSecurityDescriptor(found.descriptor)
    for (const complaint of descriptor.complaints) complain(`its security descriptor: ${complaint}`)
    const { owner, group } = descriptor
    return {
      id: found.id ?? null,
      ...(owner !== undefined && { owner }),
      ...(group !== undefined && { group }),
      sddl: formatSddl(descriptor),
    }
  } catch (error) {
    complain(`its security descriptor cannot be read: ${(error as Error).message}`)
    return undefined
  }
}
