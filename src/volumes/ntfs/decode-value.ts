import { attributeTypeName } from '../../formats/ntfs/attribute-type.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

/** Values that are decoded are no larger. */
const LARGEST_VALUE = 1n << 20n

/** Decodes the value of an attribute; undefined where there is none, or it cannot be read, which is complained about. */
export type Decode = <T>(
  attribute: FileAttribute | undefined,
  decoder: (value: Buffer) => T,
) => Promise<T | undefined>

export const createDecode =
  (volume: NtfsVolume, complain: (what: string) => void): Decode =>
  async (attribute, decoder) => {
    if (!attribute) return undefined
    try {
      return decoder(await volume.read(attribute, LARGEST_VALUE))
    } catch (error) {
      complain(`${attributeTypeName(attribute.type)}: ${(error as Error).message}`)
      return undefined
    }
  }
