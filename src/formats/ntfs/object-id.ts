import { formatGuid, GUID_SIZE } from '../guid.js'
import { NtfsError } from './finding.js'
import { type GuidOrigin, guidOrigin } from './guid-origin.js'

/** $OBJECT_ID: the id, then where the file was born, 16 bytes each; the latter three often absent. */
export interface ObjectId {
  readonly id: string
  /** Of a version 1 id: when it was given, on which machine. */
  readonly origin?: GuidOrigin
  readonly birthVolumeId?: string
  readonly birthObjectId?: string
  readonly domainId?: string
}

/** @throws {NtfsError} when not even the id is whole */
export function decodeObjectId(value: Buffer): ObjectId {
  if (value.length < GUID_SIZE) throw new NtfsError(`$OBJECT_ID of ${value.length} bytes is cut off`)
  const origin = guidOrigin(value, 0)
  const holds = (ids: number) => value.length >= ids * GUID_SIZE
  return {
    id: formatGuid(value, 0),
    ...(origin && { origin }),
    ...(holds(2) && { birthVolumeId: formatGuid(value, 16) }),
    ...(holds(3) && { birthObjectId: formatGuid(value, 32) }),
    ...(holds(4) && { domainId: formatGuid(value, 48) }),
  }
}
